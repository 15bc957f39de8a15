//! What a resource has on database servers: each object with one line that says how it is.
//!
//! Pure. A driver says how things are and how they shall be; here they are compared and digested.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use registry_api::platform::{Change, ChangeAction, Drift, DriftKind};
use sha2::{Digest, Sha256};

/// `Role/orders_read` and what it is like; each line is the whole truth about its object.
pub type Provisioned = BTreeMap<String, String>;

/// Name of the driver that these changes are for.
const TARGET: &str = "postgres";

/// Hex SHA-256 over the sorted lines `<object>: <how it is>`; nothing where there is no object at all.
pub fn sha256(objects: &Provisioned) -> Option<String> {
    if objects.is_empty() {
        return None;
    }
    let mut lines = String::new();
    for (object, how) in objects {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{object}: {how}");
    }
    Some(hex::encode(Sha256::digest(lines)))
}

/// What bringing `target` about would change. `before` is what the platform made last: what differs from it now was
/// somebody else.
pub fn changes(target: &Provisioned, before: &Provisioned, now: &Provisioned) -> Vec<Change> {
    let wanted = target.iter().filter_map(|(object, how)| {
        let ours = before.get(object) == Some(how);
        match now.get(object) {
            Some(is) if is == how => None,
            Some(_) if ours => Some(change(
                ChangeAction::Update,
                object,
                "was changed on the server and is put back",
            )),
            Some(is) => {
                Some(change(ChangeAction::Update, object, &format!("is {is}, becomes {how}")))
            }
            None if ours => Some(change(
                ChangeAction::Create,
                object,
                "was removed on the server and is made again",
            )),
            None => Some(change(ChangeAction::Create, object, &format!("is made: {how}"))),
        }
    });
    let gone = now
        .keys()
        .filter(|object| !target.contains_key(*object))
        .map(|object| change(ChangeAction::Delete, object, "is taken away"));
    wanted.chain(gone).collect()
}

/// What taking everything away would change.
pub fn removals(now: &Provisioned) -> Vec<Change> {
    now.keys().map(|object| change(ChangeAction::Delete, object, "is removed")).collect()
}

/// How what is there differs from what the platform made.
pub fn drift(made: &Provisioned, now: &Provisioned) -> Vec<Drift> {
    let path = |object: &str| format!("{TARGET}:{object}");
    let changed = made.iter().filter_map(|(object, how)| {
        let kind = match now.get(object) {
            None => DriftKind::Missing,
            Some(is) if is != how => DriftKind::Modified,
            Some(_) => return None,
        };
        Some(Drift { path: path(object), kind })
    });
    let added = now
        .keys()
        .filter(|object| !made.contains_key(*object))
        .map(|object| Drift { path: path(object), kind: DriftKind::Unexpected });
    changed.chain(added).collect()
}

fn change(action: ChangeAction, object: &str, what: &str) -> Change {
    Change {
        target: TARGET.to_owned(),
        action,
        object: object.to_owned(),
        summary: format!("{object} {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(pairs: &[(&str, &str)]) -> Provisioned {
        pairs.iter().map(|(object, how)| ((*object).to_owned(), (*how).to_owned())).collect()
    }

    fn shown(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| change.summary.as_str()).collect()
    }

    #[test]
    fn what_is_as_it_shall_be_is_no_change() {
        let made = objects(&[("Role/a", "nologin")]);

        assert!(changes(&made, &made, &made).is_empty());
        assert!(drift(&made, &made).is_empty());
        assert_eq!(sha256(&Provisioned::new()), None);
    }

    #[test]
    fn a_wish_reads_differently_from_a_repair() {
        let target = objects(&[("Role/a", "nologin"), ("Role/b", "nologin"), ("Setting/x", "2")]);
        let before = objects(&[("Role/a", "nologin"), ("Setting/x", "1")]);
        let now = objects(&[("Setting/x", "1"), ("Extension/old", "installed")]);

        assert_eq!(
            shown(&changes(&target, &before, &now)),
            [
                "Role/a was removed on the server and is made again",
                "Role/b is made: nologin",
                "Setting/x is 1, becomes 2",
                "Extension/old is taken away"
            ]
        );
    }

    #[test]
    fn what_somebody_did_to_the_server_is_drift_of_three_kinds() {
        let made = objects(&[("Role/a", "nologin"), ("Role/b", "nologin")]);
        let now = objects(&[("Role/b", "login"), ("Role/c", "login")]);

        let found: Vec<_> =
            drift(&made, &now).into_iter().map(|drift| (drift.path, drift.kind)).collect();

        assert_eq!(
            found,
            [
                ("postgres:Role/a".to_owned(), DriftKind::Missing),
                ("postgres:Role/b".to_owned(), DriftKind::Modified),
                ("postgres:Role/c".to_owned(), DriftKind::Unexpected),
            ]
        );
    }
}
