//! Statements on their way: what each changes, in which transaction, and who may stop between them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::connection::Session;
use super::database::Piece;
use super::error::PostgresError;
use super::identifier::quote_name;

/// Hears of every statement before it is sent, and may stop there: the next call goes on.
pub type Watch<'a> = &'a (dyn Fn(&str) -> ControlFlow<()> + Send + Sync);

/// For work that nobody wants to stop.
pub fn unwatched(_: &str) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Something that was done to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As in the facts, such as `Role/orders_read`.
    pub object: String,
    pub action: Action,
    /// How it is now, and how it was.
    pub summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Remove,
}

/// A change and the SQL that makes it.
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) sql: String,
    /// The SQL that gives an administrator the right to this.
    pub(super) grant: String,
}

impl Step {
    pub(super) fn new(object: &str, action: Action, summary: &str, sql: String) -> Self {
        let change = Change { object: object.to_owned(), action, summary: summary.to_owned() };
        Self { change, sql, grant: String::new() }
    }

    pub(super) fn with_grant(mut self, grant: String) -> Self {
        self.grant = grant;
        self
    }
}

/// From what was seen to what shall be; only where they differ.
pub(super) fn between(wish: Vec<Piece>, seen: &[Piece]) -> Vec<Step> {
    let found: BTreeMap<&str, &Piece> =
        seen.iter().map(|piece| (piece.object.as_str(), piece)).collect();
    let unwished = seen.iter().filter(|piece| wish.iter().all(|wish| wish.object != piece.object));
    let removals = unwished
        .map(|piece| Step::new(&piece.object, Action::Remove, &piece.state, piece.sql.clone()))
        .collect::<Vec<_>>();
    let makes = wish.into_iter().filter_map(|wish| match found.get(wish.object.as_str()) {
        None => Some(Step::new(&wish.object, Action::Create, &wish.state, wish.sql)),
        Some(seen) if seen.state == wish.state => None,
        Some(seen) => {
            let summary = format!("{} (was: {})", wish.state, seen.state);
            // Undone first, because a grant adds to what is there.
            let sql = format!("{}{}", seen.sql, wish.sql);
            Some(Step::new(&wish.object, Action::Update, &summary, sql))
        }
    });
    removals.into_iter().chain(makes).collect()
}

/// Steps on one connection, and what they did so far.
pub(super) struct Work<'a> {
    /// What is worked on, for messages.
    pub(super) object: String,
    pub(super) watch: Watch<'a>,
    pub(super) done: Vec<Change>,
}

impl Work<'_> {
    /// All of the steps or none, acting as a role or as the administrator.
    pub(super) async fn together(
        &mut self,
        session: &Session,
        role: Option<&str>,
        steps: Vec<Step>,
    ) -> Result<(), PostgresError> {
        if steps.is_empty() {
            return Ok(());
        }
        let act = role.map(|role| format!("SET LOCAL ROLE {};", quote_name(role)));
        session.run("starting", &format!("BEGIN; {}", act.unwrap_or_default())).await?;
        let mut done = Vec::new();
        for step in steps {
            self.take(session, &step).await?;
            done.push(step.change);
        }
        self.pause("commit")?;
        session.run("committing", "COMMIT").await?;
        self.done.append(&mut done);
        Ok(())
    }

    /// One step that cannot be part of a transaction.
    pub(super) async fn alone(
        &mut self,
        session: &Session,
        step: Step,
    ) -> Result<(), PostgresError> {
        self.take(session, &step).await?;
        self.done.push(step.change);
        Ok(())
    }

    async fn take(&self, session: &Session, step: &Step) -> Result<(), PostgresError> {
        self.pause(&step.change.object)?;
        session.run_with_right(&step.change.object, &step.grant, &step.sql).await
    }

    /// Where the watcher may stop.
    pub(super) fn pause(&self, doing: &str) -> Result<(), PostgresError> {
        match (self.watch)(doing) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(PostgresError::Stopped { object: self.object.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(object: &str, state: &str, sql: &str) -> Piece {
        Piece { object: object.into(), state: state.into(), sql: sql.into() }
    }

    #[test]
    fn only_what_differs_is_stepped() {
        let wish = vec![
            piece("same", "1", "make same"),
            piece("new", "1", "make new"),
            piece("other", "1", "make other;"),
        ];
        let seen = [
            piece("same", "1", "undo same"),
            piece("other", "2", "undo other;"),
            piece("extra", "1", "undo extra"),
        ];

        let steps = between(wish, &seen);

        let told: Vec<_> =
            steps.iter().map(|step| (step.change.action, step.sql.as_str())).collect();
        assert_eq!(
            told,
            [
                (Action::Remove, "undo extra"),
                (Action::Create, "make new"),
                (Action::Update, "undo other;make other;"),
            ]
        );
    }
}
