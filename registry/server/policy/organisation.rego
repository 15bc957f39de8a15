# What every change must satisfy, whatever golden path it uses. The numbers are in limits.json.
package idp

tier := input.environment.tier

known(pointer) if not unknown(pointer)

unknown(pointer) if {
	some part in input.unknown
	startswith(pointer, part)
}

in_production if tier == "production"

# Images

has_digest if regex.match(`@sha256:[0-9a-f]{64}$`, input.spec.image)

verdicts contains {
	"rule": "image_by_digest",
	"effect": "deny",
	"message": sprintf("production runs images by digest, so that what was tested is what runs; %q has none. Append @sha256:… (docker buildx imagetools inspect shows it).", [input.spec.image]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.1"],
} if {
	in_production
	known("/spec/image")
	not has_digest
}

verdicts contains {
	"rule": "image_by_digest",
	"effect": "warn",
	"message": sprintf("%q has no digest: the tag may point to another image tomorrow. Append @sha256:…; production requires it.", [input.spec.image]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.1"],
} if {
	not in_production
	known("/spec/image")
	not has_digest
}

verdicts contains {
	"rule": "image_registry",
	"effect": "deny",
	"message": sprintf("%q does not come from an approved registry. Push it to one of: %s.", [input.spec.image, concat(", ", data.limits.image_registries)]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.2"],
} if {
	known("/spec/image")
	count(data.limits.image_registries) > 0
	not from_approved_registry
}

from_approved_registry if {
	some registry in data.limits.image_registries
	startswith(input.spec.image, concat("", [registry, "/"]))
}

# Replicas and sizes

verdicts contains {
	"rule": "replicas_minimum",
	"effect": "deny",
	"message": sprintf("a service in %s needs at least %d replicas to survive the loss of one, not %d. Raise replicas.min.", [tier, limit, input.spec.replicas.min]),
	"pointer": "/spec/replicas/min",
	"controls": ["idp.availability.1"],
} if {
	known("/spec/replicas/min")
	limit := data.limits.replicas[tier].min
	input.spec.replicas.min < limit
}

verdicts contains {
	"rule": "replicas_maximum",
	"effect": "deny",
	"message": sprintf("a service in %s may scale to %d replicas, not %d. Lower replicas.max, or ask the platform team for a larger limit.", [tier, limit, input.spec.replicas.max]),
	"pointer": "/spec/replicas/max",
	"controls": ["idp.cost.1"],
} if {
	known("/spec/replicas/max")
	limit := data.limits.replicas[tier].max
	input.spec.replicas.max > limit
}

verdicts contains {
	"rule": "size_per_tier",
	"effect": "deny",
	"message": sprintf("the size %q is not offered in %s. Use one of: %s.", [input.spec.size, tier, concat(", ", offered)]),
	"pointer": "/spec/size",
	"controls": ["idp.cost.1"],
} if {
	known("/spec/size")
	offered := data.limits.sizes[tier]
	not input.spec.size in offered
}

verdicts contains {
	"rule": "monthly_cost",
	"effect": "require_approval",
	"message": sprintf("it may cost up to %v %s a month; above %v a holder of the right approve must apply it. Lower replicas.max or size, or ask for approval.", [input.cost.monthly_max, input.cost.currency, limit]),
	"pointer": "/spec/replicas/max",
	"controls": ["idp.cost.2"],
} if {
	limit := data.limits.monthly_cost[tier]
	input.cost.monthly_max > limit
}

# Names and owners

verdicts contains {
	"rule": "name_reserved",
	"effect": "deny",
	"message": sprintf("%q is the name of a part of the platform. Choose one that says what the service does.", [input.name]),
	"pointer": "/name",
	"controls": ["idp.ownership.1"],
} if input.name in data.limits.reserved_names

verdicts contains {
	"rule": "name_repeats_environment",
	"effect": "warn",
	"message": sprintf("the name %q repeats its environment, which is part of every address already. Drop it, so that the name is the same everywhere.", [input.name]),
	"pointer": "/name",
	"controls": ["idp.ownership.1"],
} if {
	input.environment.name in split(input.name, "-")
}

verdicts contains {
	"rule": "owner_cost_center",
	"effect": "deny",
	"message": sprintf("the owner %q has no cost center, so nobody would pay for a service in production. Add cost_center to [[owner]] in the server's configuration.", [input.owner.name]),
	"pointer": "/owner",
	"controls": ["idp.cost.3"],
} if {
	in_production
	not has_text(input.owner.cost_center)
}

verdicts contains {
	"rule": "owner_contact",
	"effect": "warn",
	"message": sprintf("the owner %q has no contact, so alerts reach nobody. Add contact to [[owner]] in the server's configuration.", [input.owner.name]),
	"pointer": "/owner",
	"controls": ["idp.ownership.2"],
} if {
	in_production
	not has_text(input.owner.contact)
}

has_text(value) if {
	is_string(value)
	trim_space(value) != ""
}

# What is rendered

workload_kinds := {"Deployment", "StatefulSet", "DaemonSet", "Job"}

containers contains {"object": object.metadata.name, "container": container} if {
	some object in input.objects
	object.kind in workload_kinds
	some container in object.spec.template.spec.containers
}

verdicts contains {
	"rule": "pod_security",
	"effect": "deny",
	"message": sprintf("the container %q of %q may gain privileges. The golden path must set runAsNonRoot, allowPrivilegeEscalation: false and drop all capabilities; report it to the path's owner.", [found.container.name, found.object]),
	"controls": ["idp.workload.1"],
} if {
	some found in containers
	not is_restricted(found.container)
}

is_restricted(container) if {
	container.securityContext.allowPrivilegeEscalation == false
	"ALL" in container.securityContext.capabilities.drop
}

verdicts contains {
	"rule": "no_secrets_in_git",
	"effect": "deny",
	"message": sprintf("%s %q would be committed to git. The golden path must reference a secret instead; report it to the path's owner.", [object.kind, object.metadata.name]),
	"controls": ["idp.secrets.1"],
} if {
	some object in input.objects
	object.kind == "Secret"
}
