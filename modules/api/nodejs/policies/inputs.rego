# What JSON Schema cannot say about the inputs of this path.
package idp

known(pointer) if {
	not unknown(pointer)
}

unknown(pointer) if {
	some part in input.unknown
	startswith(pointer, part)
}

verdicts contains {
	"rule": "replicas_order",
	"effect": "deny",
	"message": sprintf("replicas.max (%d) is below replicas.min (%d). Raise max or lower min.", [input.spec.replicas.max, input.spec.replicas.min]),
	"pointer": "/spec/replicas/max",
	"controls": ["idp.availability.1"],
} if {
	known("/spec/replicas/min")
	known("/spec/replicas/max")
	input.spec.replicas.max < input.spec.replicas.min
}

verdicts contains {
	"rule": "env_looks_secret",
	"effect": "deny",
	"message": sprintf("the variable %q looks like a secret, and env is committed to git in plain text. Keep it out of env; secrets are referenced, never written down.", [name]),
	"pointer": sprintf("/spec/env/%s", [name]),
	"controls": ["idp.secrets.1"],
} if {
	some name, value in input.spec.env
	value != ""
	looks_secret(name, value)
}

looks_secret(name, _) if regex.match(`(?i)(^|_)(password|passwd|secret|token|api_?key|private_?key|credentials?)$`, name)

looks_secret(_, value) if contains(value, "-----BEGIN ")

looks_secret(_, value) if regex.match(`^[a-z][a-z0-9+.-]*://[^/@:]+:[^/@]+@`, value)

verdicts contains {
	"rule": "image_tag_moves",
	"effect": "warn",
	"message": sprintf("the tag of %q moves, so two pods may run different code. Name a version, or better a digest.", [input.spec.image]),
	"pointer": "/spec/image",
	"controls": ["idp.supply-chain.1"],
} if {
	known("/spec/image")
	regex.match(`:(latest|main|master|stable|edge)$`, input.spec.image)
}

verdicts contains {
	"rule": "timeout_above_objective",
	"effect": "warn",
	"message": "every objective counts a request that is cut off by request_timeout as slow; a timeout below the latency threshold makes failures of what would have been successes. Raise parameters.request_timeout.",
	"pointer": "/spec/parameters/request_timeout",
	"controls": ["idp.observability.1"],
} if {
	known("/spec/slo")
	known("/spec/parameters")
	milliseconds(input.spec.parameters.request_timeout) < milliseconds(input.spec.slo.latency.threshold)
}

milliseconds(text) := to_number(trim_suffix(text, "ms")) if endswith(text, "ms")

milliseconds(text) := to_number(trim_suffix(text, "s")) * 1000 if {
	endswith(text, "s")
	not endswith(text, "ms")
}

milliseconds(text) := to_number(trim_suffix(text, "m")) * 60000 if endswith(text, "m")

verdicts contains {
	"rule": "egress_everywhere",
	"effect": "require_approval",
	"message": sprintf("egress to %s opens half of the internet. Name the networks that are needed, or ask for approval.", [target.cidr]),
	"pointer": "/spec/parameters/egress",
	"controls": ["idp.network.1"],
} if {
	some target in input.spec.parameters.egress
	to_number(split(target.cidr, "/")[1]) < 8
}

verdicts contains {
	"rule": "env_hidden_by_uses",
	"effect": "deny",
	"message": sprintf("the variable %s is where uses puts the folder of %q. Rename one of them.", [name, alias]),
	"pointer": sprintf("/spec/env/%s", [name]),
	"controls": ["idp.secrets.1"],
} if {
	some alias, _ in input.spec.uses
	name := sprintf("%s_SECRET_DIR", [upper(replace(alias, "-", "_"))])
	input.spec.env[name]
}

verdicts contains {
	"rule": "uses_to_migrate",
	"effect": "warn",
	"message": sprintf("it could change the schema of %q whenever it runs. Give it write, and migrate with ephemeral credentials before a rollout.", [alias]),
	"pointer": sprintf("/spec/uses/%s/access", [alias]),
	"controls": ["idp.secrets.1"],
} if {
	input.environment.tier == "production"
	some alias, used in input.spec.uses
	used.access == "migrate"
}
