//! `idp oidc`, and how a CI job publishes without a stored secret.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use registry_api::oidc::{
    ExchangeRequest, Exchanged, TrustedPublisher, TrustedPublisherList, proof_message,
};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::statement::TrustedCi;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Context;
use super::client::{Client, Remote, patiently};
use crate::auth::oidc::{Claims, Comparison, IdToken};
use crate::config::Secret;

/// See why a CI job may publish, or not.
#[derive(Debug, Args)]
pub(super) struct Oidc {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explain(Explain),
}

/// Print what an ID token says beside what each namespace wants of the jobs that it trusts
///
/// The token is not verified and not sent anywhere. Shown are the namespaces that you may install from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp oidc explain --id-token-file token.jwt
  idp oidc explain --namespace acme         in a CI job: its own token")]
struct Explain {
    #[command(flatten)]
    source: IdTokenSource,
    /// Only what this namespace wants [default: every one that you may install from]
    #[arg(long)]
    namespace: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// Where a job's ID token comes from.
#[derive(Debug, Default, Args)]
pub(super) struct IdTokenSource {
    /// File with the ID token of the CI job [default: IDP_ID_TOKEN, or what GitHub Actions gives to a job with the
    /// permission id-token: write]
    #[arg(long, value_name = "FILE")]
    id_token_file: Option<PathBuf>,
}

impl Oidc {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Explain(command) => command.run(context).await,
        }
    }
}

/// What one namespace wants of jobs that it trusts, and what the token has.
#[derive(Debug, Serialize)]
struct Explained {
    namespace: String,
    matches: bool,
    claims: Vec<Compared>,
    /// Why the job may not publish although every claim matches.
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Compared {
    claim: String,
    expected: String,
    actual: Option<String>,
    matches: bool,
}

impl Explain {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let hostname = client.info().await?.hostname;
        let token = self.source.find(context, &hostname).await?;
        let token = IdToken::parse(token.expose())?;
        let query = self.namespace.as_deref().map(|namespace| ("namespace", namespace));
        let path = Url::parse_with_params("http://server/api/v1/oidc/trusted-publishers", query)
            .context("cannot write the request")?;
        let path = path.as_str().trim_start_matches("http://server").trim_end_matches('?');
        let list: TrustedPublisherList = client.get(path).await?;
        let claims = token.unverified();
        let explained: Vec<Explained> =
            list.trusted_publishers.into_iter().map(|one| explain(claims, one)).collect();
        let text = describe(&claims.all(), &explained);
        let answer = serde_json::json!({ "claims": claims.all(), "trusted_publishers": explained });
        context.output.answer(&answer, text)
    }
}

fn explain(claims: &Claims, wanted: TrustedPublisher) -> Explained {
    let TrustedPublisher { namespace, issuer, audience, claims: asked, refuse_claims } = wanted;
    let issuer_matches = Comparison {
        claim: "iss".to_owned(),
        expected: issuer.clone(),
        actual: claims.text("iss"),
    };
    let audience_matches =
        Comparison { claim: "aud".to_owned(), expected: audience, actual: claims.audience() };
    let compared = [issuer_matches, audience_matches].into_iter().chain(claims.compare(&asked));
    let compared: Vec<Compared> = compared
        .map(|one| Compared {
            matches: one.matches(),
            claim: one.claim,
            expected: one.expected,
            actual: one.actual,
        })
        .collect();
    let all = compared.iter().all(|one| one.matches);
    let ci = TrustedCi { issuer, claims: asked };
    let verdict = claims.matching(&[&ci], &refuse_claims).err();
    let refused = verdict.filter(|_| all).map(|error| error.to_string());
    Explained { namespace, matches: all && refused.is_none(), claims: compared, refused }
}

/// The same, for people.
fn describe(claims: &BTreeMap<String, String>, explained: &[Explained]) -> String {
    // Writing to a String cannot fail.
    let mut text = String::from("the ID token says, and nobody has verified it:\n");
    let width = claims.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in claims {
        let _ = writeln!(text, "  {name:width$}  {value}");
    }
    if explained.is_empty() {
        text.push_str(
            "\nno CI jobs are trusted in a namespace that you may install from; a key of it lets them publish: \
             idp keys trust-ci",
        );
    }
    for one in explained {
        let verdict = if one.matches { "matches" } else { "does not match" };
        let _ = write!(text, "\njobs that {} trusts: {verdict}\n", one.namespace);
        let width =
            one.claims.iter().map(|compared| compared.claim.len()).max().unwrap_or_default();
        for Compared { claim, expected, actual, matches } in &one.claims {
            let _ = match actual {
                _ if *matches => writeln!(text, "  ok     {claim:width$}  {expected}"),
                Some(actual) => {
                    writeln!(
                        text,
                        "  WRONG  {claim:width$}  wants {expected}, the token has {actual}"
                    )
                }
                None => {
                    writeln!(text, "  WRONG  {claim:width$}  wants {expected}, the token has none")
                }
            };
        }
        if let Some(refused) = &one.refused {
            let _ = writeln!(text, "  WRONG  {refused}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

impl IdTokenSource {
    /// The job's ID token, for that audience.
    async fn find(&self, context: &Context<'_>, audience: &str) -> anyhow::Result<Secret> {
        if let Some(path) = &self.id_token_file {
            return read(path);
        }
        if let Some(token) = context.variable("IDP_ID_TOKEN") {
            return Ok(Secret::new(token.trim()));
        }
        let url = context.variable("ACTIONS_ID_TOKEN_REQUEST_URL");
        match (url, context.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) {
            (Some(url), Some(token)) => ask_github(url, token, audience).await,
            _ => bail!(
                "there is no ID token: name a file with --id-token-file, or set IDP_ID_TOKEN (GitLab: id_tokens: \
                 IDP_ID_TOKEN: aud: {audience}; GitHub Actions: permissions: id-token: write)"
            ),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the ID token {}", path.display()))?;
    Ok(Secret::new(text.trim()))
}

/// Asks the runner that the job is on.
async fn ask_github(url: &str, token: &str, audience: &str) -> anyhow::Result<Secret> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }

    let failed = || "cannot ask GitHub Actions for an ID token (ACTIONS_ID_TOKEN_REQUEST_URL)";
    let mut url = Url::parse(url).with_context(failed)?;
    url.query_pairs_mut().append_pair("audience", audience);
    let http = reqwest::Client::builder()
        .user_agent(concat!("idp/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .with_context(failed)?;
    let answer = http.get(url).bearer_auth(token).send().await.with_context(failed)?;
    let answer = answer.error_for_status().with_context(failed)?;
    let Answer { value } = answer.json().await.with_context(failed)?;
    Ok(Secret::new(value))
}

/// Makes a key that lives as long as this command, and exchanges the job's ID token for the right to publish with it.
pub(super) async fn trust(
    client: &Client,
    context: &Context<'_>,
    source: &IdTokenSource,
    hostname: &str,
    namespace: &str,
) -> anyhow::Result<(Client, SigningKey)> {
    let token = source.find(context, hostname).await?;
    let key = SigningKey::generate(Algorithm::EcdsaP256)?;
    let message = proof_message(hostname, &hex::encode(Sha256::digest(token.expose())));
    let request = ExchangeRequest {
        token: token.expose().to_owned(),
        namespace: namespace.to_owned(),
        public_key: key.verifying_key().to_pem(),
        proof: STANDARD.encode(key.sign(message.as_bytes())),
    };
    let exchanged: Exchanged =
        patiently(context, async || client.post("/api/v1/oidc/exchange", &request).await)
            .await
            .map_err(|error| {
                anyhow!("{error:#}\n  `idp oidc explain` shows claim by claim what is wanted")
            })?;
    let Exchanged { token, issuer, key_id, expires_at, .. } = exchanged;
    context.output.progress(format!(
        "a job of {issuer} may publish into {namespace} until {expires_at}, signing with the key {key_id}"
    ));
    Ok((client.with_token(Secret::new(token)), key))
}
