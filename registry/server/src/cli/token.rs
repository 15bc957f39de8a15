//! `idp token`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use registry_api::Name;
use registry_api::tokens::{CreatedToken, NewToken, TokenList};

use super::client::Remote;
use super::{Context, serve};
use crate::app::open_store;
use crate::auth::{self, Maker};
use crate::clock::Clock;
use crate::routes::api::tokens::{check, describe};
use crate::store::tokens::tokens;

/// Make, list and revoke tokens.
#[derive(Debug, Args)]
#[command(after_help = "\
Rights (each part after the first may be *):
  admin                                     everything, tokens included
  publish:NAMESPACE                         publish modules and providers; includes read
  read:NAMESPACE                            install from a namespace that is not open to everyone
  plan|apply|deploy|destroy|approve:ENVIRONMENT:OWNER
                                            apply includes plan and deploy; deploy and destroy include plan
  credentials:PRIVILEGE:ENVIRONMENT:OWNER   receive credentials
  secrets:ENVIRONMENT:OWNER                 read the values of secrets, as External Secrets does

Examples:
  idp token create --name payments-ci --right 'apply:*:payments' --expires 90d
  idp token create --name release --right publish:golden --right publish:platform
  idp token create --local --name admin --right admin     on the server's machine, without a token
  idp token list
  idp token revoke 01k9x3…")]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token; it is printed once
    Create(Create),
    /// List every token, without secrets
    List(Where),
    /// Take a token back; it stops working at once
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    remote: Remote,
    /// Work on the data folder of this machine's server instead of asking a server
    #[arg(long, conflicts_with_all = ["server", "token"])]
    local: bool,
    /// Configuration of that server, with --local [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE", requires = "local")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    place: Where,
    /// Name, for people: lower-case letters, digits and dashes
    #[arg(long)]
    name: Name,
    /// What it may do; repeat for more
    #[arg(long = "right", value_name = "RIGHT", required = true)]
    rights: Vec<String>,
    /// How long it works, such as 90d, 12h or 30m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<Duration>,
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    place: Where,
    /// Id of the token, as `idp token list` shows it
    id: String,
}

impl Token {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Create(command) => command.run(context).await,
            Command::List(place) => list(&place, context).await,
            Command::Revoke(command) => command.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let wanted = NewToken {
            name: self.name,
            rights: self.rights,
            expires_in_seconds: self.expires.map(|time| time.as_secs()),
        };
        let made: CreatedToken = if self.place.local {
            let clock = Clock::system();
            let store = self.place.open(context).await?;
            let new = check(wanted, Maker::local(), clock.now())
                .map_err(|error| anyhow!(error.detail()))?;
            let (row, secret) = auth::create_token(&store, &clock, new).await?;
            store.close().await;
            CreatedToken { token: secret, info: describe(&row) }
        } else {
            self.place.remote.client(context)?.post("/api/v1/tokens", &wanted).await?
        };
        let expires = made
            .info
            .expires_at
            .as_ref()
            .map(|at| format!("\nit works until {at}"))
            .unwrap_or_default();
        context.output.answer(
            &made,
            format_args!(
                "token {} ({}), shown only now:\n\n  {}\n\nit may: {}{expires}",
                made.info.name,
                made.info.id,
                made.token,
                made.info.rights.join(", ")
            ),
        )
    }
}

impl Revoke {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        if self.place.local {
            let store = self.place.open(context).await?;
            let clock = Clock::system();
            if !auth::revoke_token(&store, &clock, &self.id, &Maker::local()).await? {
                bail!("there is no token with the id {:?}", self.id);
            }
            store.close().await;
        } else {
            let id: String = url_segment(&self.id)?;
            self.place.remote.client(context)?.delete(&format!("/api/v1/tokens/{id}")).await?;
        }
        context
            .output
            .answer(&serde_json::json!({ "revoked": self.id }), format_args!("revoked {}", self.id))
    }
}

async fn list(place: &Where, context: &Context<'_>) -> anyhow::Result<()> {
    let list: TokenList = if place.local {
        let store = place.open(context).await?;
        let rows = tokens(&mut *store.read().await?).await?;
        store.close().await;
        TokenList { tokens: rows.iter().map(describe).collect() }
    } else {
        place.remote.client(context)?.get("/api/v1/tokens").await?
    };
    let lines: Vec<String> = list.tokens.iter().map(line).collect();
    context.output.answer(&list, lines.join("\n"))
}

fn line(token: &registry_api::tokens::Token) -> String {
    let state = match (&token.revoked_at, &token.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) => format!("until {at}"),
        (None, None) => "for ever".to_owned(),
    };
    let used = token.last_used_at.as_deref().unwrap_or("never");
    format!(
        "{}  {:<20}  {}  {state}, last used {used}",
        token.id,
        token.name,
        token.rights.join(", ")
    )
}

impl Where {
    async fn open(&self, context: &Context<'_>) -> anyhow::Result<crate::store::Store> {
        let config = serve::load_config(self.config.as_deref(), context)?;
        Ok(open_store(&config).await?)
    }
}

/// An id is one word; anything else would be another path.
fn url_segment(id: &str) -> anyhow::Result<String> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(id.to_owned());
    }
    bail!("{id:?} is not the id of a token; `idp token list` shows them")
}

/// `90d`, `12h`, `30m`, `45s`.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: write a number and d, h, m or s, such as 90d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let total = count.checked_mul(seconds).filter(|total| *total > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(parse_time("90d").unwrap(), Duration::from_hours(90 * 24));
        assert_eq!(parse_time("1s").unwrap(), Duration::from_secs(1));
        for text in ["", "d", "0d", "-1d", "90", "1w", "99999999999999999999d", "1é"] {
            assert!(parse_time(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_refused(text in ".{0,20}") {
            drop(parse_time(&text));
        }
    }
}
