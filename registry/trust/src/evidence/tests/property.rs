//! Whatever is changed, nothing else is believed; and how long it takes.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{key::Algorithm, statement::KeyChange};

struct Good {
    json: Vec<u8>,
    policy: Policy,
    seen: Checkpoint,
    trusted: Trusted,
}

impl Good {
    fn verify(&self, json: &[u8]) -> Result<Trusted, EvidenceError> {
        Evidence::parse(json)?.verify(&self.policy, Some(&first_root(&self.seen)), NOW)
    }
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let (mut log, publisher) = published();
    let [stolen, job] = [key(), key()];
    log.change(add(&stolen), &publisher);
    log.publish("2.0.0", &stolen);
    log.state("1.1.0", State::Revoked, &copy(&log.registry));
    log.change(KeyChange::TrustCi(jobs("74")), &publisher);
    log.grant(&job);
    log.publish("3.0.0", &job);
    log.state("1.1.0", State::Active, &stolen);
    log.change(revoke(&stolen, 6), &publisher);
    let json = serde_json::to_vec(&log.evidence_since(3)).unwrap();
    let (policy, seen) = (log.policy(), log.checkpoint(3));
    let evidence = Evidence::parse(&json).unwrap();
    let trusted = evidence.verify(&policy, Some(&first_root(&seen)), NOW).unwrap();
    Good { json, policy, seen, trusted }
});

#[test]
fn the_evidence_that_is_changed_below_is_good() {
    let trusted = GOOD.verify(&GOOD.json).unwrap();

    assert_eq!(trusted, GOOD.trusted);
    assert!(trusted.release(&release("3.0.0")).is_ok());
    assert!(trusted.release(&release("2.0.0")).is_err());
    assert_eq!(standing(&trusted, "1.1.0"), Ok(State::Revoked));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn one_other_byte_anywhere_is_refused_or_changes_nothing(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut json = GOOD.json.clone();
        let at = at.index(json.len());
        json[at] = byte;

        if let Ok(trusted) = GOOD.verify(&json) {
            prop_assert_eq!(&trusted, &GOOD.trusted);
        }
    }

    #[test]
    fn entries_that_are_left_out_make_nothing_better(left_out in proptest::collection::vec(any::<bool>(), 13)) {
        let mut evidence = Evidence::parse(&GOOD.json).unwrap();
        evidence.entries.retain(|entry| !left_out[usize::try_from(entry.index).unwrap()]);

        if let Ok(trusted) = evidence.verify(&GOOD.policy, Some(&first_root(&GOOD.seen)), NOW) {
            for version in ["1.0.0", "1.1.0", "2.0.0", "3.0.0"] {
                if let Ok(signed) = trusted.release(&release(version)) {
                    prop_assert_eq!(Ok(signed), GOOD.trusted.release(&release(version)));
                }
                if let Ok(state) = standing(&trusted, version) {
                    prop_assert_eq!(Ok(state), standing(&GOOD.trusted, version));
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = Evidence::parse(&bytes);
    }

    #[test]
    fn arbitrary_parts_never_panic(
        leaf in ".{0,80}", index in any::<u64>(), checkpoint in ".{0,80}", snapshot in ".{0,80}", millis in any::<i64>(),
    ) {
        let good = Evidence::parse(&GOOD.json).unwrap();
        let entry = ProvenEntry { index, leaf, proof: Vec::new() };
        let now = Now { millis, refuses_old: true };
        for evidence in [
            Evidence { checkpoint, ..good.clone() },
            Evidence { snapshot, ..good.clone() },
            Evidence { entries: vec![entry], ..good.clone() },
            good,
        ] {
            let _ = evidence.verify(&GOOD.policy, Some(&first_root(&GOOD.seen)), now);
        }
    }
}

/// `cargo test --release -p registry-trust -- --ignored --nocapture takes`
#[test]
#[ignore = "a measurement, to be run by hand in release"]
fn how_long_a_hundred_releases_with_statuses_take() {
    let publisher = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    for count in [100, 5_000] {
        let mut log = Log::with(&publisher);
        for number in 0..count {
            let version = format!("1.{number}.0");
            log.publish(&version, &publisher);
            log.state(&version, State::Deprecated, &publisher);
        }
        let json = serde_json::to_vec(&log.evidence()).unwrap();

        let begin = std::time::Instant::now();
        let evidence = Evidence::parse(&json).unwrap();
        let parsed = begin.elapsed();
        let trusted = log.verify(&evidence).unwrap();
        let verified = begin.elapsed();

        assert_eq!(standing(&trusted, "1.7.0"), Ok(State::Deprecated));
        println!(
            "{count} releases and statuses, {} KiB: parsed in {parsed:?}, verified in {verified:?}",
            json.len() >> 10
        );
    }
}

/// `cargo test --release -p registry-trust -- --ignored --nocapture takes`
#[test]
#[ignore = "a measurement, to be run by hand in release"]
fn how_long_ten_thousand_key_changes_take() {
    let publisher = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    for reach in [0, 1] {
        let mut log = Log::with(&publisher);
        for _ in 0..3_333 {
            let next = key();
            let added = log.change(add(&next), &publisher);
            log.change(KeyChange::TrustCi(jobs("74")), &next);
            log.change(revoke(&next, added + 2 - reach), &publisher);
        }
        let entries = log.entries();

        let begin = std::time::Instant::now();
        crate::authority::Authority::fold(None, &entries).unwrap();

        println!("{} key changes, reaching {reach} back: {:?}", entries.len(), begin.elapsed());
    }
}
