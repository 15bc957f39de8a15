//! The worker: carries out what was accepted, whatever happens to the process in between.
//!
//! Operations are rows. A worker claims those that are due under a lease, prolongs it while it works, and writes
//! nothing once it lost it. What a dead process had claimed is claimed again at once: a server has its data folder
//! alone. A step may therefore run twice, and is made so that the second time does no harm. Beside it runs the sweeper,
//! which ends logins whose time is over.

mod commit;
mod operation;
mod provision;
mod sweep;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::app::App;
use crate::error::chain;
use crate::store::StoreError;
use crate::store::operations::{self, OperationRow};
use crate::{failpoint, id};

/// Most operations under way at once: enough for a push to carry many commits.
const AT_ONCE: usize = 256;
/// How long a claim holds without being prolonged.
const LEASE: Duration = Duration::from_secs(30);
/// Longest time between two looks into the queue: other replicas queue as well.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts working on the queue of `app`, whose data folder the caller has alone.
    pub fn start(app: App) -> Self {
        let (stop, stopped) = watch::channel(false);
        let sweeping = tokio::spawn(sweep::sweep(app.clone(), stopped.clone()));
        let task = tokio::spawn(async move {
            work(app, stopped).await;
            // It ends at once, or after the statement that it waits for; what is left is done by the next process.
            let _ = sweeping.await;
        });
        Self { stop, task }
    }

    /// Claims nothing more and ends when what is under way ended, or after `limit`: what is left is resumed by the
    /// next process.
    pub async fn stop(mut self, limit: Duration) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            tracing::warn!("operations are still under way; the next start resumes them");
            self.task.abort();
        }
    }
}

/// Operations under way, and how many of each claim.
#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<String>,
    leases: BTreeMap<String, usize>,
    by_task: BTreeMap<String, String>,
}

async fn work(app: App, mut stopped: watch::Receiver<bool>) {
    resume(&app).await;
    let mut under_way = UnderWay::default();
    let mut renewal = tokio::time::interval(LEASE / 3);
    loop {
        let stopping = *stopped.borrow();
        if stopping && under_way.tasks.is_empty() {
            return;
        }
        let pause = if stopping { LOOK_EVERY } else { claim(&app, &mut under_way).await };
        tokio::select! {
            Some(ended) = under_way.tasks.join_next() => under_way.ended(ended),
            () = app.platform.signals.wait_queued() => {}
            () = tokio::time::sleep(pause) => {}
            _ = renewal.tick() => renew(&app, &under_way).await,
            _ = stopped.changed() => {}
        }
    }
}

/// Takes back what a process that died had claimed: nobody else can still be at it.
async fn resume(app: &App) {
    match release(app).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(operations = count, "resuming operations of the last process"),
        // They run out by themselves.
        Err(error) => tracing::error!(error = %chain(&error), "cannot resume operations yet"),
    }
}

async fn release(app: &App) -> Result<u64, StoreError> {
    let mut tx = app.store.write().await?;
    let count = operations::release_all(&mut tx, app.clock.now()).await?;
    tx.commit().await?;
    Ok(count)
}

/// Claims what is due, starts it, and says how long to wait for more.
async fn claim(app: &App, under_way: &mut UnderWay) -> Duration {
    let room = AT_ONCE.saturating_sub(under_way.tasks.len());
    if room == 0 {
        return LOOK_EVERY;
    }
    match claimed(app, room).await {
        Ok((lease, rows, pause)) => {
            for row in rows {
                under_way.start(app.clone(), row, lease.clone());
            }
            pause
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "cannot look into the queue; trying again");
            LOOK_EVERY
        }
    }
}

async fn claimed(
    app: &App,
    room: usize,
) -> Result<(String, Vec<OperationRow>, Duration), StoreError> {
    let now = app.clock.now();
    let lease = id::new(now);
    let mut conn = app.store.read().await?;
    let due = operations::next_due(&mut conn).await?;
    drop(conn);
    let Some(due) = due else { return Ok((lease, Vec::new(), LOOK_EVERY)) };
    if due > now {
        let left = Duration::from_millis(u64::try_from(due - now).unwrap_or_default() + 1);
        return Ok((lease, Vec::new(), left.min(LOOK_EVERY)));
    }
    let mut tx = app.store.write().await?;
    let rows = operations::claim(&mut tx, &lease, now + millis(LEASE), now, room).await?;
    tx.commit().await?;
    if !rows.is_empty() {
        failpoint::hit("platform.claimed");
    }
    Ok((lease, rows, LOOK_EVERY))
}

async fn renew(app: &App, under_way: &UnderWay) {
    if under_way.leases.is_empty() {
        return;
    }
    let leases: Vec<String> = under_way.leases.keys().cloned().collect();
    let until = app.clock.now() + millis(LEASE);
    let renewed = async {
        let mut tx = app.store.write().await?;
        operations::renew(&mut tx, &leases, until).await?;
        Ok::<_, StoreError>(tx.commit().await?)
    };
    if let Err(error) = renewed.await {
        tracing::error!(error = %chain(&error), "cannot prolong claims; trying again");
    }
}

impl UnderWay {
    fn start(&mut self, app: App, row: OperationRow, lease: String) {
        *self.leases.entry(lease.clone()).or_default() += 1;
        let task_lease = lease.clone();
        let handle = self.tasks.spawn(async move {
            operation::carry_out(&app, &row, &task_lease).await;
            task_lease
        });
        self.by_task.insert(handle.id().to_string(), lease);
    }

    fn ended(&mut self, ended: Result<String, JoinError>) {
        // A panic was logged by its hook; the lease runs out and the operation is claimed again.
        let lease = match ended {
            Ok(lease) => Some(lease),
            Err(error) => self.by_task.get(&error.id().to_string()).cloned(),
        };
        let Some(lease) = lease else { return };
        if let Some(count) = self.leases.get_mut(&lease) {
            *count -= 1;
            if *count == 0 {
                self.leases.remove(&lease);
                self.by_task.retain(|_, of| *of != lease);
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
