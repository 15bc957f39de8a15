//! The transparency log as C2SP tlog-tiles: static files in all but name, for monitors and mirrors.
//!
//! Open to everyone where every namespace is; otherwise to every token, because the log names modules of all of them.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use registry_trust::log::tile::{TileKind, TilePath, WIDTH, encode_entry};

use super::protocol::{PlainError, ProtocolCaller};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::Caller;
use crate::store::log;

/// The signed head.
pub(crate) async fn checkpoint(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
) -> Result<Response, PlainError> {
    require_reader(&app, &caller)?;
    let head = app.trust.newest_head(&app.store).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, head.note).into_response())
}

/// A tile of hashes or of entries.
pub(crate) async fn tile(
    State(app): State<App>,
    ProtocolCaller(caller): ProtocolCaller,
    Path(path): Path<String>,
) -> Result<Response, PlainError> {
    require_reader(&app, &caller)?;
    let missing = || ApiError::not_found("no_such_tile", format!("the log has no tile/{path}"));
    let tile: TilePath = format!("tile/{path}").parse().map_err(|_| missing())?;
    // Only what is under a signed head: what is committed and not signed yet could still be lost.
    let size = app.trust.newest_head(&app.store).await?.checkpoint.size;
    let whole = TilePath::in_tree(tile.kind(), tile.index(), size).ok_or_else(missing)?;
    if tile.width() > whole.width() {
        return Err(missing().into());
    }
    let content = content(&app, &tile).await?.ok_or_else(missing)?;
    let cache = if is_open(&app) {
        "public, max-age=31536000, immutable"
    } else {
        // Not by a cache that others ask, who may have no token.
        "private, max-age=31536000, immutable"
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    Ok((headers, content).into_response())
}

async fn content(app: &App, tile: &TilePath) -> Result<Option<Vec<u8>>, ApiError> {
    let mut conn = app.store.read().await?;
    let width = u64::from(tile.width());
    match tile.kind() {
        TileKind::Hashes { level } => {
            let hashes = log::tile(&mut conn, level, tile.index()).await?;
            let bytes = usize::from(tile.width()) * 32;
            Ok(hashes.and_then(|hashes| hashes.get(..bytes).map(<[u8]>::to_vec)))
        }
        TileKind::Entries => {
            let from = tile.index() * u64::from(WIDTH);
            let mut bundle = Vec::new();
            for entry in log::range(&mut conn, from, from + width).await? {
                encode_entry(&mut bundle, entry.leaf.as_bytes()).map_err(ApiError::internal)?;
            }
            Ok(Some(bundle))
        }
    }
}

fn require_reader(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if is_open(app) { Ok(()) } else { caller.token().map(|_| ()) }
}

fn is_open(app: &App) -> bool {
    app.config.namespaces.iter().all(|namespace| namespace.anonymous_read)
}
