//! The minimum age of a namespace: until a version has it, nobody selects it.

use crate::app::App;

/// The moment from which a version can be selected, in milliseconds; none where it can be now.
pub fn waits_until(app: &App, namespace: &str, published_at: i64) -> Option<i64> {
    let from = app.config.namespace(namespace)?.selectable_from(published_at);
    (app.clock.now() < from).then_some(from)
}
