# What JSON Schema cannot say about the inputs of this path.
package idp

known(pointer) if {
	not unknown(pointer)
}

unknown(pointer) if {
	some part in input.unknown
	startswith(pointer, part)
}

in_production if input.environment.tier == "production"

verdicts contains {
	"rule": "size_large",
	"effect": "require_approval",
	"message": "a large database takes room that the others on its server may need. Outside production take a smaller size, or ask for approval.",
	"pointer": "/spec/size",
	"controls": ["idp.cost.1"],
} if {
	known("/spec/size")
	input.spec.size == "large"
	not in_production
}

# Extensions that read the server's files, run code outside the database, or speak to other servers.
reaching_out := {
	"adminpack", "dblink", "file_fdw", "http", "mysql_fdw", "oracle_fdw", "pageinspect", "pg_cron", "pg_net", "pg_surgery",
	"pg_walinspect", "plperlu", "plpython3u", "plr", "plsh", "pltclu", "postgres_fdw", "tds_fdw",
}

# Extensions that PostgreSQL lets the owner of a database create.
trusted := {
	"bool_plperl", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "fuzzystrmatch", "hstore", "hstore_plperl",
	"intarray", "isn", "jsonb_plperl", "lo", "ltree", "pg_trgm", "pgcrypto", "plperl", "plpgsql", "pltcl", "seg", "tablefunc",
	"tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
}

verdicts contains {
	"rule": "extension_reaches_out",
	"effect": "require_approval",
	"message": sprintf("the extension %q can reach beyond its database: files, programs or networks of the server. Do without it, or ask for approval.", [name]),
	"pointer": "/spec/extensions",
	"controls": ["idp.data.2"],
} if {
	known("/spec/extensions")
	some name in input.spec.extensions
	name in reaching_out
}

verdicts contains {
	"rule": "extension_of_superuser",
	"effect": extension_effect,
	"message": sprintf("PostgreSQL lets only an administrator create the extension %q, as its code is not confined to the database. Production wants approval for it; check that its version is maintained.", [name]),
	"pointer": "/spec/extensions",
	"controls": ["idp.data.2"],
} if {
	known("/spec/extensions")
	some name in input.spec.extensions
	not name in reaching_out
	not name in trusted
}

default extension_effect := "warn"

extension_effect := "require_approval" if in_production

verdicts contains {
	"rule": "final_dump_missing",
	"effect": "warn",
	"message": "a delete of this database would leave nothing behind. Set final_dump = true to get a last dump, or deletion_policy = \"retain\" to keep the data.",
	"pointer": "/spec/final_dump",
	"controls": ["idp.data.1"],
} if {
	in_production
	known("/spec/deletion_policy")
	known("/spec/final_dump")
	input.spec.deletion_policy == "delete"
	not input.spec.final_dump
}

verdicts contains {
	"rule": "final_dump_unused",
	"effect": "warn",
	"message": "with deletion_policy = \"retain\" nothing is dropped, so no dump is made. Leave final_dump out.",
	"pointer": "/spec/final_dump",
	"controls": ["idp.data.1"],
} if {
	known("/spec/deletion_policy")
	known("/spec/final_dump")
	input.spec.deletion_policy == "retain"
	input.spec.final_dump
}

verdicts contains {
	"rule": "lock_timeout_unreachable",
	"effect": "warn",
	"message": sprintf("a statement ends after %s, so it never waits %s for a lock. Lower parameters.lock_timeout.", [input.spec.statement_timeout, input.spec.parameters.lock_timeout]),
	"pointer": "/spec/parameters/lock_timeout",
	"controls": ["idp.availability.2"],
} if {
	known("/spec/statement_timeout")
	known("/spec/parameters")
	milliseconds(input.spec.parameters.lock_timeout) > milliseconds(input.spec.statement_timeout)
}

milliseconds(text) := to_number(trim_suffix(text, "ms")) if endswith(text, "ms")

milliseconds(text) := to_number(trim_suffix(text, "s")) * 1000 if {
	endswith(text, "s")
	not endswith(text, "ms")
}

milliseconds(text) := to_number(trim_suffix(text, "m")) * 60000 if endswith(text, "m")
