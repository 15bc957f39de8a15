//! Running beside Terraform instead of under it, for debuggers.

use std::path::Path;

/// What to set in the shell that runs Terraform. The protocol version must be named: 5 is assumed otherwise.
pub(super) fn announcement(address: &str, socket: &Path) -> String {
    let reattach = serde_json::json!({
        address: {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": std::process::id(),
            "Test": true,
            "Addr": { "Network": "unix", "String": socket.display().to_string() },
        }
    });
    format!("TF_REATTACH_PROVIDERS='{reattach}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_is_a_shell_assignment_of_json() {
        let announcement = announcement("registry.example.com/acme/mq", Path::new("/run/p.sock"));

        let json = announcement
            .strip_prefix("TF_REATTACH_PROVIDERS='")
            .unwrap()
            .strip_suffix('\'')
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let entry = &json["registry.example.com/acme/mq"];
        assert_eq!(entry["ProtocolVersion"], 6);
        assert_eq!(entry["Addr"]["String"], "/run/p.sock");
    }
}
