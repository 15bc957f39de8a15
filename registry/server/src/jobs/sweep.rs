//! What ends by itself: ephemeral logins whose time is over, and logins that a rotation left behind.
//!
//! Repeats what fails, a while later; nothing here does harm twice.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::millis;
use crate::app::App;
use crate::error::chain;
use crate::ops::{credentials, logins};
use crate::store::leases::LeaseRow;
use crate::store::logins::LoginRow;
use crate::store::{self, StoreError, leases};

/// Longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Shortest, so that a server that is away is not asked without end.
const REST: Duration = Duration::from_millis(500);
/// How long after its end a login whose server was away is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Works until `stopped`.
pub(super) async fn sweep(app: App, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = once(&app).await {
            tracing::error!(error = %chain(&error), "cannot look for logins whose time is over; trying again");
        }
        let pause = pause(&app).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
}

async fn once(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut conn = app.store.read().await?;
    let expired = leases::expired(&mut conn, now).await?;
    let retiring = store::logins::to_retire(&mut conn, now).await?;
    drop(conn);
    // Beside each other: a server that is away keeps no other from its turn.
    let mut tasks = JoinSet::new();
    for lease in expired {
        tasks.spawn(end(app.clone(), lease));
    }
    for row in retiring {
        tasks.spawn(close(app.clone(), row));
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn end(app: App, lease: LeaseRow) {
    if let Err(error) = credentials::drop_login(&app, &lease, PLATFORM).await {
        tracing::warn!(credentials.id = %lease.id, error = %chain(&error), "an ephemeral login stays for now");
        if let Err(error) = postpone(&app, &lease.id).await {
            tracing::error!(credentials.id = %lease.id, error = %chain(&error), "cannot note that");
        }
    }
}

async fn close(app: App, row: LoginRow) {
    if let Err(error) = logins::retire(&app, &row).await {
        tracing::warn!(secret.path = %row.secret, error = %chain(&error), "a login stays open for now");
    }
}

/// Who does it, in the audit log.
const PLATFORM: &str = "platform";

/// Its server refuses the password meanwhile: `VALID UNTIL` has passed.
async fn postpone(app: &App, lease: &str) -> Result<(), StoreError> {
    let mut tx = app.store.write().await?;
    let now = app.clock.now();
    leases::end(&mut tx, lease, now, now + millis(AGAIN)).await?;
    Ok(tx.commit().await?)
}

async fn pause(app: &App) -> Duration {
    let due = async {
        let mut conn = app.store.read().await?;
        let ends = leases::next_end(&mut conn).await?;
        let retirement = store::logins::next_retirement(&mut conn).await?;
        Ok::<_, StoreError>([ends, retirement].into_iter().flatten().min())
    };
    let left = match due.await {
        Ok(Some(due)) => due.saturating_sub(app.clock.now()),
        _ => return LOOK_EVERY,
    };
    Duration::from_millis(u64::try_from(left).unwrap_or_default()).clamp(REST, LOOK_EVERY)
}
