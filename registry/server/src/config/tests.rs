use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::{Config, ConfigError, LogFormat, Secret};

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, Path::new("/etc/idp/idp.toml"), Path::new("/etc/idp"), &variables)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, &[])
}

const ENVIRONMENT: &str = r#"
[[gitops_repository]]
name = "main"
url = "https://git.example.com/gitops.git"

[[environment]]
name = "staging"
tier = "staging"
gitops_repository = "main"
domain = "staging.example.com"
destination = { name = "in-cluster", namespace = "apps" }
"#;

#[test]
fn nothing_is_a_configuration_that_works() {
    let config = parse("").unwrap();

    assert_eq!(config.server.hostname, "127.0.0.1:8080");
    assert_eq!(config.server.data_dir, Path::new("/etc/idp/data"));
    assert_eq!(config.server.secret_key_file, Path::new("/etc/idp/secrets.key"));
}

#[test]
fn the_environment_lies_over_the_server_section() {
    let config = parse_with(
        "[server]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("IDP_LISTEN", "0.0.0.0:2"),
            ("IDP_PUBLIC_URL", "https://idp.example.com/"),
            ("IDP_LOG_FORMAT", "json"),
            ("IDP_HOSTNAME", ""),
            ("IDP_SECRET_KEY_FILE", "/run/secrets/idp.key"),
        ],
    )
    .unwrap();

    assert_eq!(config.server.listen, "0.0.0.0:2");
    assert_eq!(config.server.public_url, "https://idp.example.com");
    assert_eq!(config.server.hostname, "idp.example.com");
    assert_eq!(config.server.log_format, LogFormat::Json);
    assert_eq!(config.server.secret_key_file, Path::new("/run/secrets/idp.key"));
}

#[test]
fn half_a_certificate_is_refused() {
    let error = parse_with("", &[("IDP_TLS_CERT", "cert.pem")]).unwrap_err();

    assert!(error.to_string().contains("IDP_TLS_CERT, IDP_TLS_KEY"), "{error}");
}

#[test]
fn every_mistake_is_named_with_its_key() {
    for (text, key) in [
        ("[server]\nhostname = \"localhost\"\n", "server.hostname"),
        ("[server]\npublic_url = \"https://a.example/path\"\n", "server.public_url"),
        ("[server]\ntls = { cert = \"none.pem\", key = \"none.pem\" }\n", "server.tls.cert"),
        ("[limits]\nlink_seconds = 0\n", "limits.link_seconds"),
        ("[policy]\ndirectory = \"nowhere\"\n", "policy.directory"),
        ("[[namespace]]\nname = \"a\"\n[[namespace]]\nname = \"a\"\n", "namespace: there are two"),
        (
            "[[namespace]]\nname = \"a\"\nprovider_keys = [\"none.pub\"]\n",
            "namespace[0].provider_keys[0]",
        ),
        (
            "[[gitops_repository]]\nname = \"a\"\nurl = \"https://user:pw@git.example/x\"\n",
            "gitops_repository[0].url",
        ),
        (
            "[[gitops_repository]]\nname = \"a\"\nurl = \"x\"\nbranch = \"--upload-pack=x\"\n",
            "gitops_repository[0].branch",
        ),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(key), "{key} is missing in {error}");
    }
}

#[test]
fn an_environment_names_a_repository_that_is_there() {
    assert!(parse(ENVIRONMENT).is_ok());
    let error =
        parse(&ENVIRONMENT.replace("gitops_repository = \"main\"", "gitops_repository = \"x\""))
            .unwrap_err()
            .to_string();

    assert!(error.contains("environment[0].gitops_repository"), "{error}");
}

#[test]
fn no_environment_takes_the_folder_of_argo_cd() {
    let error = parse(&ENVIRONMENT.replace("\"staging\"\ntier", "\"argocd\"\ntier"))
        .unwrap_err()
        .to_string();

    assert!(error.contains("environment[0].name"), "{error}");
}

#[test]
fn a_destination_is_named_one_way() {
    let both = ENVIRONMENT.replace("name = \"in-cluster\"", "name = \"a\", server = \"https://b\"");
    let neither = ENVIRONMENT.replace("name = \"in-cluster\", ", "");

    for text in [both, neither] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("environment[0].destination"), "{error}");
    }
}

#[test]
fn environments_of_a_cluster_share_neither_a_namespace_nor_a_domain() {
    let (_, section) = ENVIRONMENT.split_once("[[environment]]").unwrap();
    let second = section.replacen("\"staging\"", "\"other\"", 1);
    let with = |second: &str| parse(&format!("{ENVIRONMENT}[[environment]]{second}"));

    let same_place = with(&second.replace("staging.example", "other.example"));
    let same_domain = with(&second.replace("\"apps\"", "\"other\""));
    let apart = second.replace("staging.example", "other.example").replace("\"apps\"", "\"other\"");

    let said = same_place.unwrap_err().to_string();
    assert!(said.contains("environment[1].destination: \"staging\""), "{said}");
    let said = same_domain.unwrap_err().to_string();
    assert!(said.contains("environment[1].domain: \"staging\""), "{said}");
    assert!(with(&apart).is_ok());
    assert!(with(&second.replace("in-cluster", "west")).is_ok());
    assert!(with(&format!("{second}branch = \"west\"\n")).is_ok());
}

#[test]
fn a_revision_moves_with_every_fact_and_with_nothing_else() {
    let revision = |text: &str| {
        let config = parse(text).unwrap();
        config.environment("staging").unwrap().revision(&config)
    };
    let before = revision(ENVIRONMENT);

    for (from, to) in [
        ("staging.example.com", "stage.example.com"),
        ("tier = \"staging\"", "tier = \"production\""),
        ("namespace = \"apps\"", "namespace = \"other\""),
        ("gitops.git", "other.git"),
    ] {
        assert_ne!(revision(&ENVIRONMENT.replace(from, to)), before, "{from}");
    }
    let author =
        "url = \"https://git.example.com/gitops.git\"\nauthor = { name = \"x\", email = \"x@y\" }";
    let same = ENVIRONMENT.replace("url = \"https://git.example.com/gitops.git\"", author);
    assert_eq!(revision(&format!("{same}\n[[owner]]\nname = \"payments\"\n")), before);
}

#[test]
fn a_secret_prints_nothing_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();

    let secret = Secret::from_file(&file).unwrap();

    assert_eq!(secret.expose(), "s3cret");
    assert!(!format!("{secret:?}").contains("s3cret"));
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_refused(text in "(\\[server\\]\n|\\[\\[environment\\]\\]\n|[a-z_]{1,10} = (\"[^\n]{0,10}\"|[0-9]{1,4}|\\{\\})\n|.{0,30}\n){0,6}") {
        if let Err(error) = parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_hostname_is_taken_or_refused(hostname in ".{0,40}|[a-z0-9.:-]{0,40}") {
        drop(parse_with("", &[("IDP_HOSTNAME", &hostname)]));
    }
}
