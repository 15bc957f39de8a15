//! Servers that are away, that refuse, that lack a right; texts that are hostile.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::identifier::{quote_name, quote_text};
use super::*;

#[tokio::test]
async fn a_server_that_is_away_is_unreachable_and_works_again_when_it_is_back() {
    let mut bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.stop();

    let away = bench.server.observe(&orders(), Options::default()).await.unwrap_err();
    bench.cluster.restart();

    assert!(matches!(away, PostgresError::Unreachable { .. }) && away.is_retryable(), "{away}");
    assert!(away.to_string().contains(&bench.cluster.port().to_string()), "{away}");
    assert_eq!(bench.converge(&orders()).await, []);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut settings = Settings::new("127.0.0.1", port, "x", SecretText::new("x"), PLATFORM);
    settings.connect_timeout = Duration::from_millis(200);
    let server = PostgresServer::new(settings).unwrap();
    let silent = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });

    let error = server.version().await.unwrap_err();

    assert!(matches!(error, PostgresError::Unreachable { .. }), "{error}");
    assert!(silent.await.unwrap().is_ok(), "the connection was closed");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let bench = Bench::simple();
    let mut settings = settings(&bench.cluster, true);
    settings.password = SecretText::new("not-the-password");
    let server = PostgresServer::new(settings.clone()).unwrap();

    let error = server.version().await.unwrap_err();

    assert!(matches!(error, PostgresError::Authentication { .. }), "{error}");
    for text in [error.to_string(), format!("{error:?}"), format!("{settings:?}")] {
        assert!(!text.contains("not-the-password"), "{text}");
    }
}

/// Not a test of its own: the process whose environment is hostile. Run by the test below.
#[tokio::test]
#[ignore = "the test below runs it in a prepared environment"]
async fn process_with_an_environment() {
    let port = std::fs::read_to_string("port").unwrap().parse().unwrap();
    let password = SecretText::new(SUPERUSER_PASSWORD);
    let server =
        PostgresServer::new(Settings::new("127.0.0.1", port, SUPERUSER, password, PLATFORM))
            .unwrap();

    server.converge(&orders(), Options::default(), &unwatched).await.unwrap();
}

#[test]
fn nothing_of_a_connection_comes_from_the_environment_or_a_password_file() {
    let cluster = Cluster::start(Version::Default);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("port"), cluster.port().to_string()).unwrap();
    let name = "drivers::postgres::tests::failures::process_with_an_environment";

    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .envs([
            ("PGHOST", "192.0.2.1"),
            ("PGHOSTADDR", "192.0.2.1"),
            ("PGPORT", "1"),
            ("PGUSER", "nobody"),
            ("PGPASSWORD", "wrong"),
            ("PGDATABASE", "nosuch"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/nowhere"),
            ("PGSSLCERT", "/nowhere"),
            ("PGSSLKEY", "/nowhere"),
            ("PGOPTIONS", "-c role=nosuch -c default_transaction_read_only=on"),
            ("PGAPPNAME", "from-the-environment"),
        ])
        .output()
        .unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(cluster.psql("SELECT count(*) FROM pg_database WHERE datname = 'orders'"), "1");
    assert!(!cluster.log().contains("from-the-environment"));
}

#[tokio::test]
async fn an_administrator_without_a_right_is_told_which_and_how_to_get_it() {
    let bench = Bench::with(false).next().unwrap();
    for (lost, back) in [("NOCREATEDB", "CREATEDB"), ("NOCREATEROLE", "CREATEROLE")] {
        bench.cluster.psql(&format!("ALTER ROLE {LIMITED} {lost}"));

        let refused =
            bench.server.converge(&orders(), Options::default(), &unwatched).await.unwrap_err();

        assert!(matches!(refused, PostgresError::InsufficientRight { .. }), "{refused}");
        let grant = format!("ALTER ROLE \"{LIMITED}\" CREATEDB CREATEROLE");
        assert!(refused.to_string().contains(&grant), "{refused}");
        bench.cluster.psql(&format!("ALTER ROLE {LIMITED} {back}"));
    }
    bench.converge(&orders()).await;
}

#[tokio::test]
async fn a_role_that_another_administrator_made_names_the_grant_that_is_missing() {
    for bench in Bench::with(false).filter(|bench| bench.cluster.major() >= 16) {
        let superuser = PostgresServer::new(settings(&bench.cluster, true)).unwrap();
        superuser.converge(&orders(), Options::default(), &unwatched).await.unwrap();
        bench.cluster.psql("ALTER ROLE orders_read LOGIN");

        let refused =
            bench.server.converge(&orders(), Options::default(), &unwatched).await.unwrap_err();

        let grant = format!("GRANT \"orders_owner\" TO \"{LIMITED}\" WITH ADMIN OPTION");
        let grants = [
            grant.clone(),
            grant.replace("owner", "read"),
            format!("GRANT CONNECT ON DATABASE orders TO {LIMITED}"),
        ];
        assert!(grants.iter().any(|grant| refused.to_string().contains(grant)), "{refused}");
    }
}

#[tokio::test]
async fn a_server_without_a_place_for_us_is_tried_again_later() {
    let bench = Bench::with(false).next().unwrap();
    bench.cluster.psql(&format!("ALTER ROLE {LIMITED} CONNECTION LIMIT 0"));

    let error = bench.server.version().await.unwrap_err();

    assert!(matches!(error, PostgresError::Unreachable { .. }) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn tls_is_used_where_it_is_asked_for_and_the_name_is_proved() {
    for version in Version::installed() {
        let mut cluster = Cluster::start(version);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let connect = async |cluster: &Cluster, tls: Tls, host: &str| {
            let mut settings = settings(cluster, true);
            settings.tls = tls;
            settings.host = host.to_owned();
            PostgresServer::new(settings).unwrap().version().await
        };
        let plain = connect(&cluster, Tls::Require, "127.0.0.1").await.unwrap_err();
        cluster.write("server.key", &key.serialize_pem());
        cluster.write("server.crt", &certificate.pem());
        cluster.configure("ssl = on");
        cluster.restart();
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, pem: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            Tls::VerifyFull { authority: Some(path) }
        };
        let (right, wrong) =
            (file("ca.pem", &certificate.pem()), file("other.pem", &other.cert.pem()));

        connect(&cluster, Tls::Require, "127.0.0.1").await.unwrap();
        connect(&cluster, right.clone(), "127.0.0.1").await.unwrap();
        let unproved = connect(&cluster, wrong, "127.0.0.1").await.unwrap_err();
        let misnamed = connect(&cluster, right, "127.0.0.2").await.unwrap_err();

        assert!(matches!(plain, PostgresError::Unreachable { .. }), "{plain}");
        assert!(matches!(unproved, PostgresError::Unreachable { .. }), "{unproved}");
        assert!(matches!(misnamed, PostgresError::Unreachable { .. }), "{misnamed}");
    }
}

#[test]
fn a_ca_file_that_is_no_use_is_told_when_the_server_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for path in [empty, folder.path().join("missing.pem")] {
        let mut settings = Settings::new("localhost", 5432, "x", SecretText::new("x"), PLATFORM);
        settings.tls = Tls::VerifyFull { authority: Some(path) };

        let error = PostgresServer::new(settings).err().unwrap();

        assert!(matches!(error, PostgresError::InvalidSettings { .. }), "{error}");
    }
}

#[test]
fn hostile_names_and_texts_arrive_unchanged_whatever_the_server_makes_of_backslashes() {
    let cluster = Cluster::start(Version::Default);
    let texts = proptest::collection::vec("[\\\\'\"a-c;$\\-\u{e9}\u{1F600}\n]{1,15}", 40);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(4));
    let outcome = runner.run(&texts, |texts| {
        for conforming in ["on", "off"] {
            let columns: Vec<String> = texts
                .iter()
                .map(|text| {
                    format!(
                        "encode(convert_to({}, 'UTF8'), 'hex') AS {}",
                        quote_text(text),
                        quote_name(text)
                    )
                })
                .collect();
            let sql = format!(
                "SET standard_conforming_strings = {conforming}; SELECT {}",
                columns.join(", ")
            );
            let mut psql = cluster.psql_command(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
            let output = psql.args(["-c", &sql]).output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            prop_assert!(output.status.success(), "{}", words);
            let wish: Vec<String> = texts.iter().map(hex::encode).collect();
            prop_assert_eq!(
                String::from_utf8_lossy(&output.stdout).trim().to_owned(),
                wish.join("|")
            );
        }
        Ok(())
    });
    outcome.unwrap();
}
