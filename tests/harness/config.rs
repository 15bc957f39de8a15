//! The configuration of a test's server.

use crate::workspace::HOSTNAME;

/// Two owners, two environments in one repository, three namespaces of which one is private.
///
/// Listening address and public URL are laid over it by the environment of the process.
pub(crate) fn text() -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:8080"
public_url = "http://127.0.0.1:8080"
hostname = "{HOSTNAME}"
data_dir = "data"
shutdown_seconds = 5

[organisation]
name = "Acme"
domain = "acme.example"

[[namespace]]
name = "golden"
anonymous_read = true

[[namespace]]
name = "platform"
anonymous_read = true

[[namespace]]
name = "private"

[[owner]]
name = "payments"
title = "Payments"
contact = "payments@acme.example"
cost_center = "4711"

[[owner]]
name = "search"
title = "Search"
contact = "search@acme.example"
cost_center = "4712"

[[gitops_repository]]
name = "clusters"
url = "../clusters.git"

[[environment]]
name = "staging"
tier = "staging"
gitops_repository = "clusters"
domain = "staging.acme.example"
destination = {{ name = "staging", namespace = "apps" }}

[[environment]]
name = "production"
tier = "production"
gitops_repository = "clusters"
domain = "acme.example"
destination = {{ name = "production", namespace = "apps" }}
"#
    )
}
