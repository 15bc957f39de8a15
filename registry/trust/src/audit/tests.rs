//! Audits: a good log, and one with each fault planted.

use proptest::prelude::*;

use super::*;
use crate::{
    dsse::Envelope,
    key::SigningKey,
    statement::{KeyChange, ModulePublish, RevocationReason, State, TrustRoot, sign},
    testing::{
        HOST, Log, NAMESPACE, NOW, add, change, copy, id, jobs, key, pin, publish, revoke,
        sign_all, status, summary,
    },
};

/// Reads a whole log in pieces of `step`.
fn read_in(log: &Log, policy: Option<Policy>, step: usize) -> Auditor {
    let mut auditor = Auditor::new(policy);
    log.leaves.chunks(step).for_each(|leaves| auditor.read(leaves));
    auditor
}

/// The whole audit: entries, head and snapshot.
fn audit(log: &Log) -> Audit {
    let auditor = read_in(log, Some(log.policy()), 3);
    let mut audit = auditor.audit();
    audit.findings.extend(auditor.check_head(signed(&log.head(), log).as_bytes()));
    audit.findings.extend(auditor.check_snapshot(&log.evidence(), NOW));
    audit
}

fn signed(head: &Checkpoint, log: &Log) -> String {
    head.sign(&log.head_key).unwrap()
}

fn codes(findings: impl IntoIterator<Item = Finding>) -> Vec<&'static str> {
    findings.into_iter().map(|finding| finding.code).collect()
}

/// Where and by which code something is found among the entries.
fn found(log: &Log) -> Vec<(Option<u64>, &'static str)> {
    let auditor = read_in(log, Some(log.policy()), 3);
    assert_eq!(auditor.check_head(signed(&log.head(), log).as_bytes()), []);
    let findings = auditor.audit().findings;
    findings.into_iter().map(|finding| (finding.index, finding.code)).collect()
}

/// A log with everything that may be in one: two publishers, releases, statuses, a CI job, another root.
fn full() -> (Log, SigningKey, SigningKey) {
    let [publisher, other, job] = [key(), key(), key()];
    let mut log = Log::with(&publisher);
    log.publish("1.0.0", &publisher);
    log.change(add(&other), &publisher);
    log.publish("1.1.0", &other);
    log.state("1.0.0", State::Deprecated, &publisher);
    log.change(KeyChange::TrustCi(jobs("74")), &other);
    log.grant(&job);
    log.publish("2.0.0", &job);
    let root = log.next_root(1, &[&log.root]);
    log.sign(&root, &copy(&log.root));
    log.sign(&status(None, 2, State::Deprecated), &copy(&log.registry));
    log.state("2.0.0", State::Revoked, &copy(&log.registry));
    (log, publisher, other)
}

#[test]
fn a_good_log_has_no_findings_and_says_what_is_newest() {
    let (log, ..) = full();

    let audit = audit(&log);

    assert_eq!(audit.findings, []);
    assert_eq!(audit.fallen, []);
    assert_eq!((audit.size, audit.root), (log.size(), log.head().root));
    assert_eq!(audit.document, log.document);
    let counts = Counts { roots: 2, key_changes: 3, releases: 3, statuses: 3, ci_keys: 1 };
    assert_eq!(audit.counts, counts);
    let entries = log.entries();
    let of = SnapshotDocument::of(entries.iter().map(|entry| &entry.statement));
    assert_eq!(of, log.document);
}

#[test]
fn what_a_later_revocation_reaches_is_told_and_is_no_fault() {
    let (mut log, publisher, other) = full();
    log.publish("3.0.0", &other);
    log.state("1.1.0", State::Yanked, &other);
    let thief = key();
    log.change(add(&thief), &other);
    log.publish("3.1.0", &thief);
    let before = audit(&log);
    assert_eq!((before.findings, before.fallen), (vec![], vec![]));

    log.change(revoke(&other, 6), &publisher);
    let audit = audit(&log);

    assert_eq!(audit.findings, []);
    let fallen: Vec<u64> = audit.fallen.iter().map(|one| one.index).collect();
    // The trust in CI jobs, what a job published, a release, a status, a key and its release.
    assert_eq!(fallen, [6, 8, 12, 13, 14, 15], "{:#?}", audit.fallen);
    assert!(audit.fallen[2].to_string().contains("is revoked from entry 6 of the log on"));
}

#[test]
fn a_key_change_that_should_not_be_there_is_found() {
    let publisher = key();
    let stranger = key();
    let planted = |sequence: u64, what: KeyChange, by: &SigningKey| {
        let mut log = Log::with(&publisher);
        log.publish("1.0.0", &publisher);
        log.append_silently(&sign(&change(NAMESPACE, sequence, what), by).unwrap());
        found(&log)
    };

    let at = |code| vec![(Some(3), code)];
    assert_eq!(planted(2, add(&key()), &publisher), []);
    assert_eq!(planted(3, add(&key()), &publisher), at("sequence"));
    assert_eq!(planted(1, add(&key()), &publisher), at("sequence"));
    assert_eq!(planted(2, add(&key()), &stranger), at("signer_not_allowed"));
    assert_eq!(planted(2, add(&publisher), &publisher), at("key_change_invalid"));
    assert_eq!(planted(2, revoke(&stranger, 1), &publisher), at("key_change_invalid"));
    assert_eq!(planted(2, revoke(&publisher, 9), &publisher), at("key_change_invalid"));
    let distrust = KeyChange::DistrustCi(jobs("1"));
    assert_eq!(planted(2, distrust, &publisher), at("key_change_invalid"));

    let mut log = Log::with(&publisher);
    let mut other = change(NAMESPACE, 2, add(&key()));
    other.registry = "other.example.com".to_owned();
    log.append_silently(&sign(&other, &publisher).unwrap());
    assert_eq!(found(&log), [(Some(2), "other_registry")]);
}

#[test]
fn after_a_gap_in_the_key_changes_only_the_gap_is_found() {
    let publisher = key();
    let mut log = Log::with(&publisher);
    log.sign(&change(NAMESPACE, 7, add(&key())), &publisher);
    log.change(add(&key()), &publisher);

    assert_eq!(found(&log), [(Some(2), "sequence")]);
}

#[test]
fn a_release_that_should_not_be_there_is_found() {
    let [publisher, stranger, job] = [key(), key(), key()];
    let planted = |envelope: &Envelope| {
        let mut log = Log::with(&publisher);
        log.publish("1.0.0", &publisher);
        log.append_silently(envelope);
        found(&log)
    };
    let at = |code| vec![(Some(3), code)];
    let good = sign(&publish("1.1.0"), &publisher).unwrap();
    assert_eq!(planted(&good), []);
    assert_eq!(planted(&sign(&publish("1.1.0"), &stranger).unwrap()), at("signer_not_allowed"));
    assert_eq!(planted(&sign(&publish("1.0.0"), &publisher).unwrap()), at("release_rewritten"));
    let rewritten = ModulePublish { archive: summary("other"), ..publish("1.0.0") };
    assert_eq!(planted(&sign(&rewritten, &publisher).unwrap()), at("release_rewritten"));
    assert_eq!(planted(&sign_all(&publish("1.1.0"), &[&publisher, &stranger])), at("signatures"));
    let mut forged = good;
    forged.signatures[0].signature = publisher.sign(b"something else");
    assert_eq!(planted(&forged), at("signature_invalid"));

    // A CI job's key without a grant, and with one that came too late.
    let mut log = Log::with(&publisher);
    log.change(KeyChange::TrustCi(jobs("74")), &publisher);
    log.publish("1.0.0", &job);
    log.grant(&job);
    assert_eq!(found(&log), [(Some(3), "signer_not_allowed")]);
}

#[test]
fn a_status_that_should_not_be_there_is_found() {
    let [publisher, stranger] = [key(), key()];
    let planted = |status: &crate::statement::ModuleStatus, by: &[&SigningKey]| {
        let mut log = Log::with(&publisher);
        log.publish("1.0.0", &publisher);
        log.append_silently(&sign_all(status, by));
        found(&log)
    };
    let at = |code| vec![(Some(3), code)];
    let good = status(Some("1.0.0"), 1, State::Yanked);
    assert_eq!(planted(&good, &[&publisher]), []);
    assert_eq!(planted(&status(None, 1, State::Yanked), &[&publisher]), []);
    assert_eq!(planted(&good, &[&stranger]), at("signer_not_allowed"));
    assert_eq!(planted(&good, &[&publisher, &stranger]), at("signer_not_allowed"));
    let second = status(Some("1.0.0"), 2, State::Yanked);
    assert_eq!(planted(&second, &[&publisher]), at("sequence"));
    let unpublished = status(Some("9.0.0"), 1, State::Yanked);
    assert_eq!(planted(&unpublished, &[&publisher]), at("release_missing"));
    let mut other = good.clone();
    other.version = other.version.map(|(version, _)| (version, summary("other").sha256));
    assert_eq!(planted(&other, &[&publisher]), at("status_digest"));
    let mut elsewhere = status(None, 1, State::Yanked);
    elsewhere.module = format!("{HOST}/{NAMESPACE}/nothing/aws").parse().unwrap();
    assert_eq!(planted(&elsewhere, &[&publisher]), at("release_missing"));
}

#[test]
fn a_grant_that_should_not_be_there_is_found() {
    let [publisher, job] = [key(), key()];
    let trusting = || {
        let mut log = Log::with(&publisher);
        log.change(KeyChange::TrustCi(jobs("74")), &publisher);
        log
    };
    let mut log = trusting();
    log.grant(&job);
    log.grant(&job);
    assert_eq!(found(&log), [(Some(4), "grant_repeated")]);

    let mut log = trusting();
    log.sign(&Log::ci_key(&job), &publisher);
    assert_eq!(found(&log), [(Some(3), "signer_not_allowed")]);

    let mut log = Log::with(&publisher);
    log.grant(&job);
    assert_eq!(found(&log), [(Some(2), "grant_untrusted")]);
}

#[test]
fn a_root_that_should_not_be_there_is_found() {
    let stranger = key();
    let planted = |change: &dyn Fn(&mut TrustRoot), by: &[&SigningKey]| {
        let mut log = Log::new();
        let mut root = log.next_root(1, &[&log.root]);
        change(&mut root);
        let own = copy(&log.root);
        let by: Vec<&SigningKey> = if by.is_empty() { vec![&own] } else { by.to_vec() };
        log.append_silently(&sign_all(&root, &by));
        found(&log)
    };

    assert_eq!(planted(&|_| {}, &[]), []);
    assert_eq!(planted(&|root| root.version = 3, &[]), [(Some(1), "root_invalid")]);
    assert_eq!(planted(&|_| {}, &[&stranger]), [(Some(1), "root_invalid")]);

    let mut log = Log::empty();
    log.publish("1.0.0", &stranger);
    assert_eq!(read_in(&log, None, 1).audit().findings[0].code, "root_missing");
}

#[test]
fn other_roots_than_the_pinned_are_found() {
    let (log, ..) = full();
    let policy = Policy { root: pin(1, &[&key()]), ..log.policy() };
    let codes = |policy| {
        let findings = read_in(&log, Some(policy), 4).audit().findings;
        findings.into_iter().map(|one| (one.index, one.code)).collect::<Vec<_>>()
    };

    assert_eq!(codes(policy), [(None, "root_not_pinned")]);
    let other = Policy { registry: "other.example.com".to_owned(), ..log.policy() };
    assert_eq!(codes(other), [(Some(0), "other_registry"), (Some(9), "other_registry")]);
    assert_eq!(read_in(&log, None, 4).audit().findings, []);
}

#[test]
fn a_leaf_that_is_no_statement_is_found_and_is_part_of_the_tree() {
    let (mut log, publisher, _) = full();
    let size = log.size();
    log.leaves.push("{}".to_owned());
    log.leaves.push(sign(&publish("5.0.0"), &publisher).unwrap().to_canonical_json() + " ");
    let junk = Envelope::sign("text/plain", b"hello".to_vec(), &publisher);
    log.append_silently(&junk);

    let found = found(&log);

    let indexes: Vec<Option<u64>> = found.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, [Some(size), Some(size + 1), Some(size + 2)], "{found:?}");
    assert_eq!(found[2].1, "statement_type");
}

#[test]
fn a_head_that_is_not_over_these_entries_is_found() {
    let (log, ..) = full();
    let auditor = read_in(&log, Some(log.policy()), 5);
    let codes = |head: &str| codes(auditor.check_head(head.as_bytes()));

    assert_eq!(codes(&signed(&log.head(), &log)), Vec::<&str>::new());
    assert_eq!(codes(&signed(&log.checkpoint(4), &log)), ["tree_size"]);
    let other = Checkpoint { root: Sha256::of(b"other"), ..log.head() };
    assert_eq!(codes(&signed(&other, &log)), ["tree_root"]);
    assert_eq!(codes(&log.head().sign(&key()).unwrap()), ["note_unverified"]);
    assert_eq!(codes("x"), ["note_malformed"]);
    let nothing = Auditor::new(None);
    assert_eq!(nothing.check_head(b"x")[0].code, "root_missing");
    assert_eq!(nothing.check_snapshot(&log.evidence(), NOW)[0].code, "root_missing");
}

#[test]
fn a_registry_that_holds_something_back_in_its_snapshot_is_found() {
    let (log, ..) = full();
    let auditor = read_in(&log, Some(log.policy()), 5);
    let told = |change: &dyn Fn(&mut SnapshotDocument)| {
        let document = log.document.clone();
        let mut lying = Log { leaves: log.leaves.clone(), document, ..copied(&log) };
        change(&mut lying.document);
        auditor.check_snapshot(&lying.evidence(), NOW)
    };

    assert_eq!(told(&|_| {}), []);
    let hidden = told(&|document| {
        document.modules.insert("acme/vpc/aws".to_owned(), 1);
    });
    let said = "number 1 is the newest of the statuses of acme/vpc/aws, in its log it is number 3";
    assert_eq!(codes(hidden.clone()), ["snapshot_differs"]);
    assert!(hidden[0].problem.contains(said), "{hidden:?}");
    let hidden = told(&|document| document.namespaces.clear());
    assert_eq!(codes(hidden), ["keys_hidden", "snapshot_differs"]);
    let now = Now { millis: i64::MAX, refuses_old: true };
    assert_eq!(codes(auditor.check_snapshot(&log.evidence(), now)), ["snapshot_stale"]);
    let earlier = read_in(&log, None, 5);
    let mut shorter = Auditor::new(None);
    shorter.read(&log.leaves[..5]);
    assert_eq!(earlier.check_snapshot(&log.evidence(), NOW), []);
    assert!(codes(shorter.check_snapshot(&log.evidence(), NOW)).contains(&"tree_size"));
}

/// The keys of a log, for another that carries its name.
fn copied(log: &Log) -> Log {
    Log {
        root: copy(&log.root),
        registry: copy(&log.registry),
        head_key: copy(&log.head_key),
        ..Log::empty()
    }
}

/// What anybody may do in a log, by numbers.
fn act(log: &mut Log, keys: &[SigningKey], (what, by, other): (u8, usize, usize)) {
    let (by, other) = (&keys[by % keys.len()], &keys[other % keys.len()]);
    let sequence = log.document.namespaces.get(NAMESPACE).copied().unwrap_or(0) + 1;
    let size = log.size();
    let change = match what {
        0 | 1 => add(other),
        2 => revoke(other, size),
        3 => revoke(other, size / 2),
        4 => KeyChange::Revoke {
            key: id(other),
            reason: RevocationReason::Superseded,
            from: size.saturating_sub(2),
        },
        5 => KeyChange::TrustCi(jobs("74")),
        6 => KeyChange::DistrustCi(jobs("74")),
        7 => {
            log.grant(other);
            return;
        }
        _ => {
            log.publish(&format!("1.{size}.0"), by);
            return;
        }
    };
    // Only what a registry would have accepted: others have no number.
    let next = change_of(sequence, change);
    let envelope = sign(&next, by).unwrap();
    if log.authority().admit(&envelope, &next, size).is_ok() {
        log.append(&envelope);
    }
}

fn change_of(sequence: u64, what: KeyChange) -> crate::statement::NamespaceKeys {
    change(NAMESPACE, sequence, what)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn read_entry_by_entry_the_same_keys_count_as_read_at_once(
        acts in proptest::collection::vec((0..9_u8, 0..4_usize, 0..4_usize), 0..30),
    ) {
        let mut keys: Vec<SigningKey> = (0..3).map(|_| key()).collect();
        let mut log = Log::with(&keys[0]);
        keys.push(copy(&log.root));
        for one in acts {
            act(&mut log, &keys, one);
        }

        let mut auditor = Auditor::new(None);
        log.leaves.iter().for_each(|leaf| auditor.read(&[leaf]));
        let (grown, folded) = (auditor.authority().unwrap(), log.authority());

        for index in 0..=log.size() {
            prop_assert_eq!(grown.valid_keys(NAMESPACE, index), folded.valid_keys(NAMESPACE, index));
        }
        prop_assert_eq!(grown.sequence(NAMESPACE), folded.sequence(NAMESPACE));
        let accepted = ["sequence", "key_change_invalid", "other_registry"];
        let findings = auditor.audit().findings;
        prop_assert!(findings.iter().all(|one| !accepted.contains(&one.code)), "{:?}", findings);
    }

    #[test]
    fn one_other_byte_in_any_leaf_is_found(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (log, ..) = full();
        let head = log.head().sign(&log.head_key).unwrap();
        let mut leaves: Vec<Vec<u8>> = log.leaves.iter().map(|leaf| leaf.clone().into_bytes()).collect();
        let sizes: Vec<usize> = leaves.iter().map(Vec::len).collect();
        let mut at = at.index(sizes.iter().sum());
        let leaf = sizes.iter().position(|size| at.checked_sub(*size).map(|rest| at = rest).is_none());
        leaves[leaf.unwrap()][at] ^= flip;

        let mut auditor = Auditor::new(Some(log.policy()));
        auditor.read(&leaves);

        prop_assert!(!auditor.check_head(head.as_bytes()).is_empty());
    }

    #[test]
    fn leaves_of_any_bytes_never_panic(leaves in proptest::collection::vec(".{0,60}", 0..5)) {
        let mut auditor = Auditor::new(None);
        auditor.read(&leaves);
        prop_assert_eq!(auditor.audit().findings.len(), leaves.len());
    }
}
