//! Rights: what a token may do, written as text.
//!
//! ```text
//! plan:ENVIRONMENT:OWNER            see what would happen; apply, deploy and destroy include it
//! apply:ENVIRONMENT:OWNER           create and change resources
//! deploy:ENVIRONMENT:OWNER          change only the running image
//! destroy:ENVIRONMENT:OWNER         delete resources
//! approve:ENVIRONMENT:OWNER         approve what policy holds back
//! credentials:PRIVILEGE:ENVIRONMENT:OWNER   receive credentials of that privilege
//! secrets:ENVIRONMENT:OWNER         read the values of secrets; no other right but admin includes it
//! publish:NAMESPACE                 publish modules and providers; includes read
//! read:NAMESPACE                    install from a namespace that is not open to everyone
//! admin                             everything, tokens included
//! ```
//!
//! Each part may be `*`. A right never widens by being misread: an unknown word is an error.

use std::fmt;
use std::str::FromStr;

/// What somebody wants to do with a resource of an owner in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// See what would happen.
    Plan,
    /// Create and change.
    Apply,
    /// Change only the running image.
    Deploy,
    /// Delete.
    Destroy,
    /// Approve what policy holds back.
    Approve,
    /// Receive credentials of a privilege.
    Credentials(String),
    /// Read the values of secrets.
    ReadSecrets,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Apply => f.write_str("apply"),
            Self::Deploy => f.write_str("deploy"),
            Self::Destroy => f.write_str("destroy"),
            Self::Approve => f.write_str("approve"),
            Self::Credentials(privilege) => write!(f, "credentials:{privilege}"),
            Self::ReadSecrets => f.write_str("secrets"),
        }
    }
}

/// One part of a right: a word, or everything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Any,
    Exactly(String),
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let word_ok = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match text {
            "*" => Some(Self::Any),
            _ if word_ok => Some(Self::Exactly(text.to_owned())),
            _ => None,
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(word) => word == text,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(word) => f.write_str(word),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Plan,
    Apply,
    Deploy,
    Destroy,
    Approve,
    Secrets,
}

impl Verb {
    const ALL: [(&'static str, Self); 6] = [
        ("plan", Self::Plan),
        ("apply", Self::Apply),
        ("deploy", Self::Deploy),
        ("destroy", Self::Destroy),
        ("approve", Self::Approve),
        ("secrets", Self::Secrets),
    ];

    /// Who may change something may also see what that would do.
    fn covers(self, action: &Action) -> bool {
        match action {
            Action::Plan => !matches!(self, Self::Approve | Self::Secrets),
            Action::Apply => self == Self::Apply,
            Action::Deploy => matches!(self, Self::Deploy | Self::Apply),
            Action::Destroy => self == Self::Destroy,
            Action::Approve => self == Self::Approve,
            Action::ReadSecrets => self == Self::Secrets,
            Action::Credentials(_) => false,
        }
    }

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, verb)| *verb == self).map_or("", |(word, _)| word)
    }
}

/// One right; its text form round-trips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Admin,
    Publish(Pattern),
    Read(Pattern),
    Credentials { privilege: Pattern, environment: Pattern, owner: Pattern },
    Resource { verb: Verb, environment: Pattern, owner: Pattern },
}

/// A text that is no right; its display says what a right looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a right; write admin, publish:NAMESPACE, read:NAMESPACE, \
     {{plan|apply|deploy|destroy|approve|secrets}}:ENVIRONMENT:OWNER or \
     credentials:PRIVILEGE:ENVIRONMENT:OWNER, where each part after the first may be *"
)]
pub struct InvalidRight {
    given: String,
}

impl FromStr for Right {
    type Err = InvalidRight;

    fn from_str(text: &str) -> Result<Self, InvalidRight> {
        parse(text)
            .map(Self)
            .ok_or_else(|| InvalidRight { given: text.chars().take(200).collect() })
    }
}

fn parse(text: &str) -> Option<Kind> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["admin"] => Some(Kind::Admin),
        ["publish", namespace] => Some(Kind::Publish(Pattern::parse(namespace)?)),
        ["read", namespace] => Some(Kind::Read(Pattern::parse(namespace)?)),
        ["credentials", privilege, environment, owner] => Some(Kind::Credentials {
            privilege: Pattern::parse(privilege)?,
            environment: Pattern::parse(environment)?,
            owner: Pattern::parse(owner)?,
        }),
        [verb, environment, owner] => {
            let (_, verb) = Verb::ALL.into_iter().find(|(word, _)| word == verb)?;
            Some(Kind::Resource {
                verb,
                environment: Pattern::parse(environment)?,
                owner: Pattern::parse(owner)?,
            })
        }
        _ => None,
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Admin => f.write_str("admin"),
            Kind::Publish(namespace) => write!(f, "publish:{namespace}"),
            Kind::Read(namespace) => write!(f, "read:{namespace}"),
            Kind::Credentials { privilege, environment, owner } => {
                write!(f, "credentials:{privilege}:{environment}:{owner}")
            }
            Kind::Resource { verb, environment, owner } => {
                write!(f, "{}:{environment}:{owner}", verb.word())
            }
        }
    }
}

/// Everything one token may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(Vec<Right>);

impl Rights {
    /// The rights in `texts`, all or none.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, InvalidRight> {
        texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Each right as text.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Whether `action` on a resource of `owner` in `environment` is allowed.
    pub fn allows(&self, action: &Action, environment: &str, owner: &str) -> bool {
        self.0.iter().any(|right| match &right.0 {
            Kind::Admin => true,
            Kind::Resource { verb, environment: e, owner: o } => {
                verb.covers(action) && e.matches(environment) && o.matches(owner)
            }
            Kind::Credentials { privilege, environment: e, owner: o } => {
                matches!(action, Action::Credentials(wanted) if privilege.matches(wanted))
                    && e.matches(environment)
                    && o.matches(owner)
            }
            Kind::Publish(_) | Kind::Read(_) => false,
        })
    }

    /// Whether the token may publish into `namespace`.
    pub fn may_publish(&self, namespace: &str) -> bool {
        self.0.iter().any(|right| match &right.0 {
            Kind::Admin => true,
            Kind::Publish(pattern) => pattern.matches(namespace),
            _ => false,
        })
    }

    /// Whether the token may install from `namespace`.
    pub fn may_read(&self, namespace: &str) -> bool {
        self.may_publish(namespace)
            || self
                .0
                .iter()
                .any(|right| matches!(&right.0, Kind::Read(pattern) if pattern.matches(namespace)))
    }

    /// Whether the token may do everything.
    pub fn is_admin(&self) -> bool {
        self.0.iter().any(|right| right.0 == Kind::Admin)
    }

    /// No right at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rights(texts: &[&str]) -> Rights {
        Rights::parse(texts).unwrap()
    }

    #[test]
    fn a_right_for_one_owner_says_nothing_about_another() {
        let payments = rights(&["apply:*:payments"]);

        assert!(payments.allows(&Action::Apply, "staging", "payments"));
        assert!(payments.allows(&Action::Plan, "staging", "payments"));
        assert!(!payments.allows(&Action::Apply, "staging", "search"));
        assert!(!payments.allows(&Action::Destroy, "staging", "payments"));
        assert!(!payments.may_read("golden"));
    }

    #[test]
    fn a_pipeline_may_deploy_and_nothing_more() {
        let pipeline = rights(&["deploy:production:payments"]);

        assert!(pipeline.allows(&Action::Deploy, "production", "payments"));
        assert!(!pipeline.allows(&Action::Apply, "production", "payments"));
        assert!(!pipeline.allows(&Action::Deploy, "staging", "payments"));
    }

    #[test]
    fn admin_may_do_everything() {
        let admin = rights(&["admin"]);

        assert!(admin.is_admin());
        assert!(admin.allows(&Action::Credentials("owner".to_owned()), "production", "payments"));
        assert!(admin.may_publish("golden"));
    }

    #[test]
    fn credentials_are_a_right_of_their_own() {
        let apply = rights(&["apply:*:*"]);
        let read_only = rights(&["credentials:read:*:payments"]);

        assert!(!apply.allows(&Action::Credentials("read".to_owned()), "staging", "payments"));
        assert!(read_only.allows(&Action::Credentials("read".to_owned()), "staging", "payments"));
        assert!(!read_only.allows(&Action::Credentials("write".to_owned()), "staging", "payments"));
    }

    #[test]
    fn reading_secrets_is_a_right_of_its_own() {
        let reader = rights(&["secrets:staging:payments"]);
        let everything_else = ["plan", "apply", "deploy", "destroy", "approve", "credentials:*"]
            .map(|right| format!("{right}:*:*"));

        assert!(reader.allows(&Action::ReadSecrets, "staging", "payments"));
        assert!(!reader.allows(&Action::ReadSecrets, "production", "payments"));
        assert!(!reader.allows(&Action::Plan, "staging", "payments"));
        let others = Rights::parse(&everything_else).unwrap();
        assert!(!others.allows(&Action::ReadSecrets, "staging", "payments"));
        assert!(rights(&["admin"]).allows(&Action::ReadSecrets, "staging", "payments"));
    }

    #[test]
    fn a_misspelt_right_is_refused() {
        for text in ["", "*", "admin:*", "aply:*:*", "publish", "publish:a:b", "plan:x", "plan::x"]
        {
            assert!(text.parse::<Right>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_prints_as_it_was_written(text in "[a-z*:]{0,40}|.{0,40}") {
            if let Ok(right) = text.parse::<Right>() {
                prop_assert_eq!(right.to_string(), text);
            }
        }
    }
}
