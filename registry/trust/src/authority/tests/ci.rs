use super::*;
use crate::{
    statement::{CiKey, Statement, TrustedCi},
    testing::copy,
};

const TRUST: fn(&str) -> KeyChange = |repository| KeyChange::TrustCi(jobs(repository));
const DISTRUST: fn(&str) -> KeyChange = |repository| KeyChange::DistrustCi(jobs(repository));

/// Whether a job with the grant at `granted` may sign entry `used`.
fn trusts(log: &Log, granted: u64, used: u64) -> bool {
    let entry = log.entries().swap_remove(usize::try_from(granted).unwrap());
    let Statement::CiKey(grant) = &entry.statement else { panic!("no grant at {granted}") };
    log.authority().trusts_grant(granted, used, &entry.envelope, grant)
}

#[test]
fn a_grant_counts_while_such_jobs_are_trusted() {
    let [first, job] = [key(), key()];
    let mut log = Log::with(&first);
    let early = log.grant(&job);
    log.change(TRUST("74"), &first);
    let granted = log.grant(&job);
    log.publish("1.0.0", &job);
    let distrusted = log.change(DISTRUST("74"), &first);
    let late = log.grant(&job);

    assert!(!trusts(&log, early, early + 9));
    assert!(trusts(&log, granted, granted + 1));
    assert!(!trusts(&log, granted, granted), "a grant is not for what comes before it");
    // A key that was granted before does not outlive the trust.
    assert!(!trusts(&log, granted, distrusted + 1));
    assert!(!trusts(&log, late, late + 1));
    assert!(log.authority().held(NAMESPACE).ci.is_empty());

    log.change(TRUST("74"), &first);
    assert!(!trusts(&log, granted, log.size()), "trust that comes back is for new grants");
    let again = log.grant(&job);
    assert!(trusts(&log, again, again + 1));
    assert_eq!(log.authority().held(NAMESPACE).ci, [&jobs("74")]);
}

#[test]
fn a_grant_needs_each_claim_that_the_namespace_asks_for() {
    let [first, job] = [key(), key()];
    let mut other = jobs("74");
    other.claims.insert("environment".to_owned(), "production".to_owned());
    for ci in
        [jobs("75"), TrustedCi { issuer: "https://other.example".into(), ..jobs("74") }, other]
    {
        let mut log = Log::with(&first);
        log.change(KeyChange::TrustCi(ci), &first);
        let granted = log.grant(&job);
        assert!(!trusts(&log, granted, granted + 1));
    }
}

#[test]
fn a_grant_is_the_registrys_for_one_namespace() {
    let [first, job] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(TRUST("74"), &first);
    let grant = Log::ci_key(&job);
    let elsewhere = CiKey { registry: "other.example.com".to_owned(), ..grant.clone() };
    let of_other = CiKey { namespace: "other".to_owned(), ..grant.clone() };
    for (grant, by) in [
        (&grant, &first),
        (&grant, &job),
        (&grant, &copy(&log.root)),
        (&elsewhere, &copy(&log.registry)),
        (&of_other, &copy(&log.registry)),
    ] {
        let granted = log.append(&sign(grant, by).unwrap());
        assert!(!trusts(&log, granted, granted + 1));
    }
}

#[test]
fn a_grant_ends_with_the_registry_key_that_signed_it() {
    let [first, job] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(TRUST("74"), &first);
    let granted = log.grant(&job);
    let old = std::mem::replace(&mut log.registry, key());
    let next = log.next_root(1, &[&log.root]);
    let rotated = log.append(&sign(&next, &log.root).unwrap());
    let by_old = log.append(&sign(&Log::ci_key(&job), &old).unwrap());
    let by_new = log.grant(&job);

    assert!(trusts(&log, granted, rotated));
    assert!(!trusts(&log, granted, rotated + 1));
    assert!(!trusts(&log, by_old, by_old + 1));
    assert!(trusts(&log, by_new, by_new + 1));
}

#[test]
fn a_revoked_key_does_not_come_back_as_that_of_a_job() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(TRUST("74"), &first);
    log.change(add(&second), &first);
    let granted = log.grant(&second);
    assert!(trusts(&log, granted, granted + 1));

    let revoked = log.change(revoke(&second, log.size()), &first);

    assert!(!trusts(&log, granted, revoked));
    let again = log.grant(&second);
    assert!(!trusts(&log, again, again + 1));
}

#[test]
fn trust_that_a_stolen_key_gave_falls_and_what_it_took_stays_taken() {
    let [first, stolen, job] = [key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(TRUST("74"), &first);
    log.change(add(&stolen), &first);
    let granted = log.grant(&job);
    log.change(TRUST("666"), &stolen);
    let distrusted = log.change(DISTRUST("74"), &stolen);
    log.change(revoke(&stolen, granted), &first);

    assert!(log.authority().held(NAMESPACE).ci.is_empty());
    assert!(trusts(&log, granted, distrusted - 1));
    assert!(!trusts(&log, granted, distrusted + 1));
}

#[test]
fn statuses_are_the_registrys_and_the_namespaces() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    log.change(revoke(&second, 3), &first);
    let authority = log.authority();
    let module = crate::testing::release("1.0.0").module().clone();
    let ids = |index| {
        let keys = authority.status_keys(&module, index);
        keys.iter().map(crate::key::VerifyingKey::id).collect::<std::collections::BTreeSet<_>>()
    };

    assert_eq!(ids(1), [id(&log.registry)].into());
    assert_eq!(ids(2), [id(&log.registry), id(&first)].into());
    assert_eq!(ids(9), [id(&log.registry), id(&first)].into());
}
