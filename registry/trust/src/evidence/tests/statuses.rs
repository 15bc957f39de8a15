//! How releases stand, and that nothing of it is held back.

use super::*;
use crate::statement::ModuleStatus;

const MODULE: &str = "acme/vpc/aws";

#[test]
fn a_status_that_is_left_out_is_missed() {
    let (mut log, publisher) = published();
    let revoked = log.state("1.1.0", State::Revoked, &publisher);
    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Revoked));
    for left_out in [&[4][..], &[revoked], &[4, revoked]] {
        let trusted = log.verify(&without(log.evidence(), left_out)).unwrap();

        let error = trusted.standing(&release("1.1.0")).unwrap_err();

        assert_eq!(error.code(), "status_hidden");
        let expected = format!(
            "made 2 statements on how its versions stand, but shows {}",
            2 - left_out.len()
        );
        assert!(error.to_string().contains(&expected), "{error}");
        // It says nothing of who signed.
        assert!(trusted.release(&release("1.1.0")).is_ok());
    }
}

#[test]
fn both_the_namespace_and_the_registry_may_state() {
    let (mut log, publisher) = published();
    log.state("1.0.0", State::Yanked, &copy(&log.registry));
    assert_eq!(standing(&log.trusted(), "1.0.0"), Ok(State::Yanked));
    log.state("1.0.0", State::Active, &publisher);
    assert_eq!(standing(&log.trusted(), "1.0.0"), Ok(State::Active));
    let whole = status(None, 4, State::Revoked);
    log.sign(&whole, &publisher);

    let standing = log.trusted().standing(&release("1.0.0")).unwrap();

    assert_eq!((standing.state, standing.is_whole_module), (State::Revoked, true));
    assert_eq!(standing.reason, whole.reason);
}

#[test]
fn the_status_of_a_stranger_neither_counts_nor_has_a_number() {
    let (mut log, publisher) = published();
    log.state("1.1.0", State::Revoked, &publisher);
    let [stranger, other] = [key(), key()];
    log.sign(&change("other", 1, add(&other)), &copy(&log.root));
    for (number, by) in [(2, &stranger), (3, &stranger), (3, &other), (1, &copy(&log.root))] {
        let restored = status(Some("1.1.0"), number, State::Active);
        log.append_silently(&sign(&restored, by).unwrap());
    }
    let mut forged = sign(&status(Some("1.1.0"), 3, State::Active), &stranger).unwrap();
    forged.signatures[0].key_id = id(&publisher);
    log.append_silently(&forged);

    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Revoked));
    assert_eq!(standing(&log.trusted(), "1.0.0"), Ok(State::Deprecated));
    // Neither does it stand in for one that is held back: entry 5 is the revocation.
    let hidden = log.verify(&without(log.evidence(), &[5])).unwrap();
    assert_eq!(standing(&hidden, "1.1.0"), Err("status_hidden"));
}

#[test]
fn what_a_stolen_key_restored_is_not_restored() {
    let (mut log, publisher) = published();
    let stolen = key();
    log.change(add(&stolen), &publisher);
    log.state("1.1.0", State::Revoked, &publisher);
    let restored = log.state("1.1.0", State::Active, &stolen);
    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Active));

    log.change(revoke(&stolen, restored), &publisher);

    // It keeps its number, so that what follows is not taken for incomplete.
    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Revoked));
    log.state("1.1.0", State::Yanked, &publisher);
    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Yanked));
}

#[test]
fn the_status_of_a_key_that_fell_has_its_number_and_does_not_count() {
    let (mut log, publisher) = published();
    let [stolen, planted] = [key(), key()];
    log.change(add(&stolen), &publisher);
    let theft = log.change(add(&planted), &stolen);
    log.state("1.0.0", State::Active, &planted);
    log.change(revoke(&stolen, theft), &publisher);

    assert_eq!(standing(&log.trusted(), "1.0.0"), Ok(State::Deprecated));
}

#[test]
fn a_status_by_a_registry_key_that_was_replaced_does_not_count() {
    let (mut log, _) = published();
    let old = std::mem::replace(&mut log.registry, key());
    let next = log.next_root(1, &[&log.root]);
    log.sign(&next, &copy(&log.root));
    log.append_silently(&sign(&status(Some("1.0.0"), 2, State::Active), &old).unwrap());

    assert_eq!(standing(&log.trusted(), "1.0.0"), Ok(State::Deprecated));
}

#[test]
fn numbers_that_are_there_twice_or_in_another_order_are_not_complete() {
    for numbers in [&[1, 1][..], &[2, 1], &[2], &[1, 3], &[1, 2, 2]] {
        let publisher = key();
        let mut log = Log::with(&publisher);
        for number in numbers {
            log.sign(&status(Some("1.0.0"), *number, State::Yanked), &publisher);
        }
        log.document.modules.insert(MODULE.to_owned(), 2);

        assert_eq!(standing(&log.trusted(), "1.0.0"), Err("status_hidden"), "{numbers:?}");
    }
}

#[test]
fn a_number_that_no_log_reaches_costs_nothing() {
    let (mut log, _) = published();
    log.document.modules.insert(MODULE.to_owned(), u64::MAX);

    assert_eq!(standing(&log.trusted(), "1.0.0"), Err("status_hidden"));
}

#[test]
fn a_status_is_of_its_module_alone() {
    let (mut log, publisher) = published();
    let mut other: ModuleStatus = status(Some("1.1.0"), 1, State::Revoked);
    other.module = format!("{HOST}/acme/vpn/aws").parse().unwrap();
    log.sign(&other, &publisher);

    assert_eq!(standing(&log.trusted(), "1.1.0"), Ok(State::Active));
}
