//! Whatever anybody logs, in whatever order.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::key::SigningKey;

static KEYS: LazyLock<[SigningKey; 5]> = LazyLock::new(|| [(); 5].map(|()| key()));

/// Who signs, what, about which key, and how far back.
type Step = (usize, u8, usize, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0..5_usize, 0..5_u8, 0..5_usize, 0..6_u64), 1..14)
}

fn what(log: &Log, (_, kind, about, back): Step) -> KeyChange {
    match kind {
        0 | 1 => add(&KEYS[about]),
        2 => KeyChange::TrustCi(jobs("74")),
        3 => KeyChange::DistrustCi(jobs("74")),
        _ => revoke(&KEYS[about], log.size().saturating_sub(back)),
    }
}

/// A log that the root began with the first key.
fn begin() -> Log {
    Log::with(&KEYS[0])
}

/// From where on each key is revoked.
fn revoked(authority: &Authority) -> Vec<Option<u64>> {
    let from = |key| match authority.publisher(NAMESPACE, id(key), u64::MAX) {
        Err(Distrust::Revoked(revocation)) => Some(revocation.from),
        _ => None,
    };
    KEYS.iter().map(from).collect()
}

proptest! {
    /// The root left aside: what is logged later only ever makes a revocation reach further back.
    #[test]
    fn a_revoked_key_stays_revoked_whatever_is_logged_later(steps in steps()) {
        let mut log = begin();
        let mut before = vec![None; 5];
        for step in steps {
            let change = change(NAMESPACE, log.authority().sequence(NAMESPACE) + 1, what(&log, step));
            log.append_silently(&sign(&change, &KEYS[step.0]).unwrap());

            let now = revoked(&log.authority());

            for (before, now) in before.iter().zip(&now) {
                prop_assert!(before.is_none_or(|before| now.is_some_and(|now| now <= before)));
            }
            before = now;
        }
    }

    /// What the registry admits does what it says, and only that is followed.
    #[test]
    fn what_is_admitted_counts_and_what_is_not_does_not(steps in steps()) {
        let mut log = begin();
        for step in steps {
            let before = log.authority();
            let index = log.size();
            let change = change(NAMESPACE, before.sequence(NAMESPACE) + 1, what(&log, step));
            let envelope = sign(&change, &KEYS[step.0]).unwrap();
            let admitted = before.admit(&envelope, &change, index);
            if admitted.is_ok() {
                log.append(&envelope);
            } else if matches!(admitted, Err(Refusal::Signer { .. })) {
                let mut forced = begin();
                forced.leaves.clone_from(&log.leaves);
                forced.append_silently(&envelope);
                let after = forced.authority();
                prop_assert_eq!(living(&after), living(&before));
                prop_assert_eq!(after.held(NAMESPACE).ci, before.held(NAMESPACE).ci);
                continue;
            }
            let after = log.authority();
            match (&change.change, admitted.is_ok()) {
                (_, false) => prop_assert_eq!(living(&after), living(&before)),
                (KeyChange::Add(key), true) => prop_assert!(living(&after).contains(&key.id())),
                (KeyChange::Revoke { key, from, .. }, true) => {
                    prop_assert!(after.publisher(NAMESPACE, *key, *from).is_err());
                    prop_assert!(after.publisher(NAMESPACE, *key, index + 1).is_err());
                }
                (KeyChange::TrustCi(ci), true) => {
                    prop_assert!(after.held(NAMESPACE).ci.contains(&ci));
                }
                (KeyChange::DistrustCi(ci), true) => {
                    prop_assert!(!after.held(NAMESPACE).ci.contains(&ci));
                }
            }
        }
    }

    #[test]
    fn the_roots_revocation_has_the_last_word(steps in steps(), thief in 1..5_usize) {
        let mut log = begin();
        let theft = log.size();
        // From here on the thief is in: nothing that it does counts once the root says so.
        log.change(add(&KEYS[thief]), &KEYS[0]);
        for step in steps {
            let step = (thief, step.1, step.2, step.3);
            let next = log.authority().sequence(NAMESPACE) + 1;
            log.sign(&change(NAMESPACE, next, what(&log, step)), &KEYS[thief]);
        }

        log.by_root(revoke(&KEYS[thief], theft));

        prop_assert_eq!(living(&log.authority()), [id(&KEYS[0])].into());
    }
}
