use super::*;
use crate::statement::RevocationReason;

#[test]
fn a_key_may_revoke_itself() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    let revoked = log.change(revoke(&second, 3), &second);

    assert_eq!(living(&log.authority()), [id(&first)].into());
    let error = publisher(&log, &second, revoked + 1).unwrap_err();
    assert!(error.contains("is revoked from entry 3 of the log on"), "{error}");
    // Also from before: whoever holds it says that somebody else does too.
    let mut log = Log::with(&first);
    log.publish("1.0.0", &first);
    log.publish("1.0.1", &first);
    log.change(revoke(&first, 3), &first);
    assert_eq!(publisher(&log, &first, 2), Ok(()));
    assert!(publisher(&log, &first, 3).is_err());
}

#[test]
fn what_a_revoked_key_signed_before_stands() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    let before = log.publish("1.0.0", &second);
    let stolen = log.publish("1.0.1", &second);
    log.change(revoke(&second, stolen), &first);

    assert_eq!(publisher(&log, &second, before), Ok(()));
    assert!(publisher(&log, &second, stolen).is_err());
    let authority = log.authority();
    let held = authority.held(NAMESPACE);
    let expected =
        Revocation { from: stolen, reason: RevocationReason::Compromised, by: stolen + 1 };
    assert_eq!(held.keys[1], (&second.verifying_key(), 2, Some(expected)));
}

#[test]
fn keys_that_a_stolen_key_added_fall_with_it() {
    let [first, stolen, planted, grown] = [key(), key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&stolen), &first);
    let theft = log.publish("1.0.0", &stolen);
    log.change(add(&planted), &stolen);
    log.change(add(&grown), &planted);
    assert_eq!(living(&log.authority()).len(), 4);

    log.change(revoke(&stolen, theft + 1), &first);

    assert_eq!(living(&log.authority()), [id(&first)].into());
    for fallen in [&planted, &grown] {
        let error = publisher(&log, fallen, log.size()).unwrap_err();
        assert!(error.contains("is not a key of the namespace"), "{error}");
    }
    assert_eq!(publisher(&log, &stolen, theft), Ok(()));
    // Whoever needs them can add them again, with a key that is nobody else's.
    log.change(add(&grown), &first);
    assert_eq!(living(&log.authority()), [id(&first), id(&grown)].into());
}

#[test]
fn the_root_undoes_what_a_thief_revoked() {
    let [first, stolen, planted] = [key(), key(), key()];
    // From its own position; from before it; from before everything, so that the thief's own key falls too.
    for reach in [0, 1, 4] {
        let mut log = Log::with(&first);
        log.change(add(&stolen), &first);
        log.publish("1.0.0", &first);
        let theft = log.size();
        log.change(revoke(&first, theft - reach), &stolen);
        log.change(add(&planted), &stolen);
        assert!(!living(&log.authority()).contains(&id(&first)));

        log.by_root(revoke(&stolen, theft));

        assert_eq!(living(&log.authority()), [id(&first)].into());
        assert_eq!(publisher(&log, &first, log.size()), Ok(()));
    }
}

/// Were it otherwise, a stolen key could bring a revoked one back by revoking the one that revoked it.
#[test]
fn what_was_revoked_stays_revoked_whoever_turns_out_to_be_a_thief() {
    let [first, second, third, fourth] = [key(), key(), key(), key()];
    // From its own position, and from before it.
    for reach in [0, 1] {
        let mut log = Log::with(&first);
        log.change(add(&second), &first);
        log.change(add(&third), &first);
        log.change(add(&fourth), &first);
        log.publish("1.0.0", &first);
        let revoked = log.change(revoke(&fourth, log.size() - reach), &third);
        log.change(revoke(&third, revoked - 1), &second);
        assert_eq!(living(&log.authority()), [id(&first), id(&second)].into(), "{reach}");

        log.change(revoke(&second, revoked), &first);

        assert_eq!(living(&log.authority()), [id(&first)].into(), "{reach}");
    }
}

#[test]
fn what_a_revoked_key_revokes_afterwards_does_not_count() {
    let [first, stolen] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&stolen), &first);
    log.change(revoke(&stolen, 3), &first);
    log.change(revoke(&first, 0), &stolen);

    assert_eq!(living(&log.authority()), [id(&first)].into());
    assert_eq!(log.authority().sequence(NAMESPACE), 4);
}

#[test]
fn a_key_may_say_that_it_was_planted() {
    let [first, stolen, planted] = [key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&stolen), &first);
    log.change(add(&planted), &stolen);
    log.change(revoke(&stolen, 3), &planted);

    assert_eq!(living(&log.authority()), [id(&first)].into());
}

#[test]
fn a_revoked_key_never_returns() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    let revoked = log.change(revoke(&second, 3), &first);
    log.change(add(&second), &first);
    log.by_root(add(&second));

    assert_eq!(living(&log.authority()), [id(&first)].into());
    assert!(publisher(&log, &second, revoked + 9).unwrap_err().contains("is revoked"));
    // A later revocation that reaches less far back changes nothing, one that reaches further does.
    log.change(revoke(&second, 5), &first);
    assert!(publisher(&log, &second, 3).is_err());
    log.publish("1.0.0", &first);
    log.change(revoke(&second, 0), &first);
    assert!(publisher(&log, &second, 2).unwrap_err().contains("from entry 0"));
}

#[test]
fn a_key_that_fell_and_was_revoked_does_not_return_either() {
    let [first, stolen, planted] = [key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&stolen), &first);
    log.change(add(&planted), &stolen);
    log.change(revoke(&planted, 4), &first);
    log.change(revoke(&stolen, 3), &first);

    let again = change(NAMESPACE, 6, add(&planted));
    let refusal = log.authority().admit(&sign(&again, &first).unwrap(), &again, log.size());
    assert!(refusal.unwrap_err().to_string().contains("does not come back"));
    log.sign(&again, &first);
    assert!(publisher(&log, &planted, log.size()).unwrap_err().contains("is revoked"));
}

#[test]
fn a_revocation_from_the_future_waits() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    log.change(revoke(&second, 1 << 40), &first);

    assert_eq!(publisher(&log, &second, 9), Ok(()));
    assert!(publisher(&log, &second, 1 << 40).is_err());
    assert!(publisher(&log, &second, u64::MAX).is_err());
}

#[test]
fn two_that_revoke_each_other_are_judged_by_who_was_first() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    log.change(revoke(&first, 2), &second);
    log.change(revoke(&second, 0), &first);

    assert!(publisher(&log, &first, 4).is_err());
    // It was added by the other, at the very position from which that one is revoked.
    assert!(publisher(&log, &second, 4).unwrap_err().contains("is not a key"));
}
