//! Evidence: a good one, and every way to make one say what is not so.

mod authority;
mod log;
mod property;
mod releases;
mod statuses;

use super::*;
use crate::{
    dsse::Envelope,
    key::SigningKey,
    statement::{State, sign},
    testing::{
        HOST, HOUR, ISSUED, Log, NAMESPACE, NOW, add, bundle, change, copy, id, jobs, key, pin,
        publish, release, revoke, sign_all, status, summary,
    },
};

/// What a reader remembers who saw this head under the first root.
fn first_root(head: &Checkpoint) -> Seen {
    Seen { checkpoint: head.clone(), root_version: 1 }
}

/// A log with a publisher, two releases, and a version that is deprecated.
fn published() -> (Log, SigningKey) {
    let publisher = key();
    let mut log = Log::with(&publisher);
    log.publish("1.0.0", &publisher);
    log.publish("1.1.0", &publisher);
    log.state("1.0.0", State::Deprecated, &publisher);
    (log, publisher)
}

/// The code and the message by which evidence is refused.
fn refusal(log: &Log, evidence: &Evidence) -> (&'static str, String) {
    let error = log.verify(evidence).unwrap_err();
    (error.code(), error.to_string())
}

/// Why a version is not believed, in the whole log.
fn distrust(log: &Log, version: &str) -> (&'static str, String) {
    let error = log.trusted().release(&release(version)).unwrap_err();
    (error.code(), error.to_string())
}

fn standing(trusted: &Trusted, version: &str) -> Result<State, &'static str> {
    let standing = trusted.standing(&release(version));
    standing.map(|standing| standing.state).map_err(|error| error.code())
}

/// Leaves out entries.
fn without(mut evidence: Evidence, left_out: &[u64]) -> Evidence {
    evidence.entries.retain(|entry| !left_out.contains(&entry.index));
    evidence
}

#[test]
fn good_evidence_says_who_signed_what_and_how_it_stands() {
    let (log, publisher) = published();

    let trusted = log.trusted();

    let signed = trusted.release(&release("1.0.0")).unwrap();
    let expected = SignedRelease {
        archive: summary("1.0.0"),
        publisher: id(&publisher),
        ci: None,
        source: None,
        index: 2,
    };
    assert_eq!(*signed, expected);
    assert_eq!(standing(&trusted, "1.0.0"), Ok(State::Deprecated));
    assert_eq!(standing(&trusted, "1.1.0"), Ok(State::Active));
    assert_eq!(trusted.seen.checkpoint, log.head());
    assert_eq!((trusted.issued_at, trusted.seen.root_version), (Moment::of(ISSUED), 1));
}

#[test]
fn evidence_travels_as_json() {
    let evidence = published().0.evidence();
    let json = serde_json::to_vec(&evidence).unwrap();

    assert_eq!(Evidence::parse(&json), Ok(evidence));
}

#[test]
fn what_is_no_evidence_is_refused_by_code() {
    let code = |bytes: &[u8]| Evidence::parse(bytes).unwrap_err().code();

    assert_eq!(code(b""), "evidence_malformed");
    assert_eq!(code(b"{}"), "evidence_malformed");
    assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), "evidence_too_large");
    let mut extra = serde_json::to_value(published().0.evidence()).unwrap();
    extra["more"] = true.into();
    assert_eq!(code(extra.to_string().as_bytes()), "evidence_malformed");
}

#[test]
fn evidence_of_nothing_says_nothing() {
    let log = Log::new();
    let trusted = log.trusted();

    assert_eq!(trusted.release(&release("1.0.0")).unwrap_err().code(), "proof_missing");
    assert_eq!(standing(&trusted, "1.0.0"), Ok(State::Active));
    let empty = without(log.evidence(), &[0]);
    assert_eq!(refusal(&log, &empty).0, "root_not_pinned");
}

#[test]
fn it_is_believed_until_it_expires() {
    let log = published().0;
    let evidence = log.evidence();
    let at = |millis: i64, refuses_old: bool, max_age: Option<i64>| {
        let policy = Policy { max_age, ..log.policy() };
        let verified = evidence.verify(&policy, None, Now { millis, refuses_old });
        verified.map(|trusted| trusted.issued_at.millis()).map_err(|error| error.to_string())
    };
    let day = ISSUED + 24 * HOUR;

    assert_eq!(at(ISSUED, true, None), Ok(ISSUED));
    assert_eq!(at(day - 1, true, None), Ok(ISSUED));
    let expired = at(day, true, None).unwrap_err();
    assert!(expired.contains("is of 2027-01-15T08:00:00Z and ended at 2027-01-16T08"), "{expired}");
    assert_eq!(at(day, false, None), Ok(ISSUED), "its age is only told");
    assert_eq!(at(i64::MAX, false, None), Ok(ISSUED));
    // The policy's age counts where it is the shorter.
    assert_eq!(at(ISSUED + HOUR - 1, true, Some(HOUR)), Ok(ISSUED));
    let old = at(ISSUED + HOUR, true, Some(HOUR)).unwrap_err();
    assert!(old.contains("ended at 2027-01-15T09:00:00Z"), "{old}");
    assert!(at(day, true, Some(48 * HOUR)).is_err());
    assert!(at(day, true, Some(i64::MAX)).is_err());
    assert!(at(ISSUED, true, Some(i64::MIN)).is_err());
    // A clock may be ten minutes behind.
    assert_eq!(at(ISSUED - CLOCK_SKEW, true, None), Ok(ISSUED));
    for refuses_old in [true, false] {
        for early in [ISSUED - CLOCK_SKEW - 1, 0, i64::MIN] {
            let future = at(early, refuses_old, None).unwrap_err();
            assert!(future.contains("one of the two clocks is wrong"), "{future}");
        }
    }
    let codes = [day, 0].map(|millis| {
        let now = Now { millis, refuses_old: true };
        evidence.verify(&log.policy(), None, now).unwrap_err().code()
    });
    assert_eq!(codes, ["snapshot_stale", "clock"]);
}
