# What every change must satisfy, whatever golden path it uses. The numbers are in limits.json.
package idp

verdicts contains objection if {
	# Nothing that is wrong with a resource may keep it from being removed.
	input.action != "delete"
	some objection in objections
}

tier := input.environment.tier

known(pointer) if not unknown(pointer)

unknown(pointer) if {
	some part in input.unknown
	startswith(pointer, part)
}

in_production if tier == "production"

is_service if input.kind == "service"

is_database if input.kind == "database"

# Images of services

has_digest if regex.match(`@sha256:[0-9a-f]{64}$`, input.spec.image)

objections contains {
	"rule": "image_by_digest",
	"effect": "deny",
	"message": sprintf("production runs images by digest, so that what was tested is what runs; %q has none. Append @sha256:… (docker buildx imagetools inspect shows it).", [input.spec.image]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.1"],
} if {
	is_service
	in_production
	known("/spec/image")
	not has_digest
}

objections contains {
	"rule": "image_by_digest",
	"effect": "warn",
	"message": sprintf("%q has no digest: the tag may point to another image tomorrow. Append @sha256:…; production requires it.", [input.spec.image]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.1"],
} if {
	is_service
	not in_production
	known("/spec/image")
	not has_digest
}

objections contains {
	"rule": "image_registry",
	"effect": "deny",
	"message": sprintf("%q does not come from an approved registry. Push it to one of: %s.", [input.spec.image, concat(", ", data.limits.image_registries)]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.2"],
} if {
	is_service
	known("/spec/image")
	count(data.limits.image_registries) > 0
	not from_approved_registry
}

from_approved_registry if {
	some registry in data.limits.image_registries
	startswith(input.spec.image, concat("", [registry, "/"]))
}

# Replicas, connections and sizes

objections contains {
	"rule": "replicas_minimum",
	"effect": "deny",
	"message": sprintf("a service in %s needs at least %d replicas to survive the loss of one, not %d. Raise replicas.min.", [tier, limit, input.spec.replicas.min]),
	"pointer": "/spec/replicas/min",
	"controls": ["idp.availability.1"],
} if {
	is_service
	known("/spec/replicas/min")
	limit := data.limits.replicas[tier].min
	input.spec.replicas.min < limit
}

objections contains {
	"rule": "replicas_maximum",
	"effect": "deny",
	"message": sprintf("a service in %s may scale to %d replicas, not %d. Lower replicas.max, or ask the platform team for a larger limit.", [tier, limit, input.spec.replicas.max]),
	"pointer": "/spec/replicas/max",
	"controls": ["idp.cost.1"],
} if {
	is_service
	known("/spec/replicas/max")
	limit := data.limits.replicas[tier].max
	input.spec.replicas.max > limit
}

objections contains {
	"rule": "connections_maximum",
	"effect": "deny",
	"message": sprintf("a database in %s may take %d connections of its server, not %d. Lower connection_limit, or ask the platform team for a larger limit.", [tier, limit, input.spec.connection_limit]),
	"pointer": "/spec/connection_limit",
	"controls": ["idp.availability.2"],
} if {
	is_database
	known("/spec/connection_limit")
	limit := data.limits.connections[tier]
	input.spec.connection_limit > limit
}

objections contains {
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

objections contains {
	"rule": "monthly_cost",
	"effect": "require_approval",
	"message": sprintf("it may cost up to %v %s a month; above %v a holder of the right approve must apply it. Lower %s, or ask for approval.", [input.cost.monthly_max, input.cost.currency, limit, dearest.words]),
	"pointer": dearest.pointer,
	"controls": ["idp.cost.2"],
} if {
	limit := data.limits.monthly_cost[tier]
	input.cost.monthly_max > limit
}

# What a cost depends on most.
dearest := {"words": "replicas.max or size", "pointer": "/spec/replicas/max"} if is_service

dearest := {"words": "size", "pointer": "/spec/size"} if not is_service

# Names and owners

objections contains {
	"rule": "name_reserved",
	"effect": "deny",
	"message": sprintf("%q is the name of a part of the platform. Choose one that says what it is for.", [input.name]),
	"pointer": "/name",
	"controls": ["idp.ownership.1"],
} if input.name in data.limits.reserved_names

objections contains {
	"rule": "name_reserved",
	"effect": "deny",
	"message": sprintf("%q, or what begins like it, is PostgreSQL's own name for a database or a role. Choose one that says what it is for.", [input.name]),
	"pointer": "/name",
	"controls": ["idp.ownership.1"],
} if {
	is_database
	is_name_of_postgresql
}

is_name_of_postgresql if input.name in {"postgres", "public", "template0", "template1"}

is_name_of_postgresql if startswith(input.name, "pg-")

objections contains {
	"rule": "name_repeats_environment",
	"effect": "warn",
	"message": sprintf("the name %q repeats its environment, which is part of every address already. Drop it, so that the name is the same everywhere.", [input.name]),
	"pointer": "/name",
	"controls": ["idp.ownership.1"],
} if {
	input.environment.name in split(input.name, "-")
}

objections contains {
	"rule": "owner_cost_center",
	"effect": "deny",
	"message": sprintf("the owner %q has no cost center, so nobody would pay for it in production. Add cost_center to [[owner]] in the server's configuration.", [input.owner.name]),
	"pointer": "/owner",
	"controls": ["idp.cost.3"],
} if {
	in_production
	not has_text(input.owner.cost_center)
}

objections contains {
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

# Where an object may hold a pod: a Deployment or anything else with a template, a CronJob, a PodTemplate.
pod_paths := [
	["spec", "template", "spec"],
	["spec", "jobTemplate", "spec", "template", "spec"],
	["template", "spec"],
]

container_lists := ["containers", "initContainers", "ephemeralContainers"]

pods contains {"of": title(document), "spec": spec} if {
	some document in input.objects
	some path in pod_paths
	spec := object.get(document, path, null)
	some list in container_lists
	spec[list]
}

pods contains {"of": title(document), "spec": document.spec} if {
	some document in input.objects
	document.kind == "Pod"
}

title(document) := sprintf("%s %q", [document.kind, object.get(document, ["metadata", "name"], "")])

containers contains {"of": pod.of, "pod": pod.spec, "title": sprintf("container %q", [object.get(container, "name", "")]), "container": container} if {
	some pod in pods
	some list in container_lists
	some container in pod.spec[list]
}

pod_faults contains {"of": pod.of, "what": sprintf("%s is set", [field])} if {
	some pod in pods
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	not object.get(pod.spec, field, false) == false
}

pod_faults contains {"of": pod.of, "what": sprintf("volume %q is a hostPath", [object.get(volume, "name", "")])} if {
	some pod in pods
	some volume in pod.spec.volumes
	"hostPath" in object.keys(volume)
}

pod_faults contains {"of": found.of, "what": sprintf("%s is privileged", [found.title])} if {
	some found in containers
	not object.get(found.container, ["securityContext", "privileged"], false) == false
}

pod_faults contains {"of": found.of, "what": sprintf("%s does not set allowPrivilegeEscalation: false", [found.title])} if {
	some found in containers
	not found.container.securityContext.allowPrivilegeEscalation == false
}

pod_faults contains {"of": found.of, "what": sprintf("%s does not drop ALL capabilities", [found.title])} if {
	some found in containers
	not "ALL" in found.container.securityContext.capabilities.drop
}

pod_faults contains {"of": found.of, "what": sprintf("%s adds the capability %v", [found.title, capability])} if {
	some found in containers
	some capability in found.container.securityContext.capabilities.add
	capability != "NET_BIND_SERVICE"
}

# What a container says of its user wins over what its pod says.
pod_faults contains {"of": found.of, "what": sprintf("%s does not set runAsNonRoot: true", [found.title])} if {
	some found in containers
	field := ["securityContext", "runAsNonRoot"]
	not object.get(found.container, field, object.get(found.pod, field, false)) == true
}

objections contains {
	"rule": "pod_security",
	"effect": "deny",
	"message": sprintf("the pods of %s could reach beyond themselves: %s. The golden path must mend that; report it to the path's owner.", [of, concat(", ", faults)]),
	"controls": ["idp.workload.1"],
} if {
	some of in {fault.of | some fault in pod_faults}
	faults := sort({fault.what | some fault in pod_faults; fault.of == of})
}

objections contains {
	"rule": "no_secrets_in_git",
	"effect": "deny",
	"message": sprintf("%s %q would be committed to git. The golden path must reference a secret instead; report it to the path's owner.", [object.kind, object.metadata.name]),
	"controls": ["idp.secrets.1"],
} if {
	some object in input.objects
	object.kind == "Secret"
}
