//! The log as its monitors and mirrors read it: files in all but name, and every one of them follows from the entries.

use registry_server::store::log;
use registry_trust::bundle::Bundle;
use registry_trust::digest::Sha256;
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::log::merkle::{leaf_hash, verify_inclusion};
use registry_trust::log::tile::{TileKind, TilePath, entries};
use registry_trust::statement::{ModuleStatus, State, Statement};
use serde_json::Value;
use sha2::{Digest as _, Sha256 as Hasher};

use super::support::{HOSTNAME, MODULE, Registry, archive, bundle};

/// Makes the log have this many entries, the new ones about a module that is not published.
async fn fill(registry: &Registry, until: u64) {
    let mut tx = registry.app.store.write().await.unwrap();
    let size = log::frontier(&mut tx).await.unwrap().size();
    for number in size..until {
        let statement = Statement::Status(ModuleStatus {
            module: format!("{HOSTNAME}/golden/filler/test").parse().unwrap(),
            version: None,
            sequence: number,
            state: State::Active,
            reason: None,
            replacement: None,
            contact: None,
            sunset: None,
        });
        let leaf = format!("what was said as number {number}");
        log::append(&mut tx, &leaf, &statement, 0).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// A file of the log, as somebody with a token.
async fn file(registry: &Registry, path: &TilePath) -> Vec<u8> {
    registry.get_as_admin(&format!("/log/{path}")).await.assert(200).body
}

/// Every entry, read as a mirror does.
async fn leaves(registry: &Registry, size: u64) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    for index in 0.. {
        let Some(path) = TilePath::in_tree(TileKind::Entries, index, size) else { break };
        let content = file(registry, &path).await;
        let found = entries(&content).unwrap();
        assert_eq!(found.len(), usize::from(path.width()), "{path}");
        leaves.extend(found.into_iter().map(<[u8]>::to_vec));
    }
    leaves
}

/// The Merkle tree hash as RFC 6962 defines it, from hashes of leaves.
fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Hasher::digest(b"").into(),
        [leaf] => *leaf,
        several => {
            let half = several.len().next_power_of_two() / 2;
            let (left, right) = several.split_at(half);
            let node = Hasher::new().chain_update([1]).chain_update(tree(left));
            node.chain_update(tree(right)).finalize().into()
        }
    }
}

fn hashed(leaf: &[u8]) -> [u8; 32] {
    Hasher::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// Reads the whole log and checks every file of it against the entries.
pub(crate) async fn mirror(registry: &Registry) -> Checkpoint {
    let head = registry.checkpoint().await;
    let leaves = leaves(registry, head.size).await;
    let mut hashes: Vec<[u8; 32]> = leaves.iter().map(|leaf| hashed(leaf)).collect();
    assert_eq!(tree(&hashes), *head.root.as_bytes());
    for level in 0.. {
        if hashes.is_empty() {
            break;
        }
        for index in 0.. {
            let kind = TileKind::Hashes { level };
            let Some(path) = TilePath::in_tree(kind, index, head.size) else { break };
            let from = usize::try_from(index).unwrap() * 256;
            let expected = hashes[from..from + usize::from(path.width())].concat();
            assert_eq!(file(registry, &path).await, expected, "{path}");
        }
        hashes = hashes.chunks_exact(256).map(tree).collect();
    }
    head
}

#[tokio::test]
async fn every_file_of_the_log_follows_from_its_entries() {
    let registry = Registry::start().await;

    for size in [3, 255, 256, 257, 511, 512, 3000] {
        fill(&registry, size).await;
        assert_eq!(mirror(&registry).await.size, size);
    }

    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    assert_eq!(mirror(&registry).await.size, 3001);
}

#[tokio::test]
async fn a_partial_file_stays_what_it_was_when_the_log_grows() {
    let registry = Registry::start().await;
    fill(&registry, 10).await;
    let paths = ["/log/tile/0/000.p/10", "/log/tile/entries/000.p/10", "/log/tile/0/000.p/3"];
    let mut before = Vec::new();
    for path in paths {
        before.push(registry.get_as_admin(path).await.assert(200).body);
    }
    assert_eq!((before[0].len(), before[2].len()), (320, 96));

    fill(&registry, 300).await;

    for (path, before) in paths.iter().zip(before) {
        assert_eq!(registry.get_as_admin(path).await.assert(200).body, before, "{path}");
    }
}

#[tokio::test]
async fn what_the_tree_does_not_have_is_not_there() {
    let registry = Registry::start().await;
    fill(&registry, 300).await;

    for path in [
        // beyond the tree
        "0/001",
        "0/001.p/45",
        "0/002",
        "1/000",
        "1/000.p/2",
        "2/000.p/1",
        "63/000.p/1",
        "entries/001",
        "entries/001.p/45",
        "entries/x001/000",
        "0/x018/x446/x744/x073/x709/551/615",
        // one file has one path
        "0/0",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/0044",
        "0/x000/000",
        "00/000",
        "+0/000",
        "-1/000",
        "64/000",
        "0/000/",
        "0/000.p/44/",
        "0/001.P/44",
        "entries/1.p/44",
        "data/000",
        "0",
        "",
    ] {
        let answer = registry.get_as_admin(&format!("/log/tile/{path}")).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    registry.get_as_admin("/log/tile/0/001.p/44").await.assert(200);
    registry.get_as_admin("/log/tile/1/000.p/1").await.assert(200);
}

#[tokio::test]
async fn caches_keep_what_never_changes() {
    let registry = Registry::start_open().await;
    fill(&registry, 300).await;

    let head = registry.get("/log/checkpoint").await.assert(200);
    assert_eq!(head.header("cache-control"), "no-cache");
    assert_eq!(head.header("content-type"), "text/plain; charset=utf-8");
    for path in ["/log/tile/0/000", "/log/tile/0/001.p/44", "/log/tile/entries/001.p/44"] {
        let tile = registry.get(path).await.assert(200);
        assert_eq!(tile.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(tile.header("content-type"), "application/octet-stream");
    }
    let missing = registry.get("/log/tile/0/002").await.assert(404);
    assert_eq!(missing.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_log_that_names_private_modules_needs_a_token() {
    let registry = Registry::start().await;
    let token = registry.token(&["read:golden"]).await;

    for path in ["/log/checkpoint", "/log/tile/0/000.p/1", "/log/tile/entries/000.p/1"] {
        registry.get(path).await.assert_plain(401, "needs a token");
        let answer = registry.get_as(path, &token).await.assert(200);
        assert!(!answer.header("cache-control").contains("public"), "{path}");
    }
}

#[tokio::test]
async fn a_publish_answers_with_the_proof_that_it_is_logged() {
    let registry = Registry::start().await;
    fill(&registry, 600).await;
    let archive = archive(MODULE);
    let bundle = bundle("golden/greeting/test", "1.0.0", &archive, &registry.publisher);
    let upload = async || {
        let answer = registry.upload("golden/greeting/test", "1.0.0", &archive, bundle.as_bytes());
        answer.await
    };

    let published = upload().await.assert(201).json();
    fill(&registry, 700).await;
    registry.checkpoint().await;
    let again = upload().await.assert(200).json();

    let leaf = Bundle::parse(bundle.as_bytes()).unwrap().envelope().to_canonical_json();
    let key = registry.trust().await.log_key.parse().unwrap();
    for (answer, size) in [(published, 601), (again, 700)] {
        let log = &answer["log"];
        let head = Checkpoint::open(log["checkpoint"].as_str().unwrap(), &key).unwrap();
        let proof: Vec<Sha256> = serde_json::from_value(log["proof"].clone()).unwrap();
        assert_eq!((head.size, &log["index"]), (size, &Value::from(600)));
        let leaf = leaf_hash(leaf.as_bytes());
        verify_inclusion(&leaf, 600, head.size, &proof, &head.root).unwrap();
    }
}

#[tokio::test]
async fn the_log_names_every_release_status_and_key_in_their_order() {
    let registry = Registry::start().await;
    registry.publish("golden/greeting/test", "1.0.0", MODULE).await.assert(201);
    registry.say("golden/greeting/test/1.0.0", "yanked", "wrong subnets").await.assert(200);

    let size = registry.checkpoint().await.size;
    let leaves = leaves(&registry, size).await;

    let kinds: Vec<&str> = leaves
        .iter()
        .zip(0..)
        .map(|(leaf, index)| match registry_trust::authority::Entry::parse(index, leaf) {
            Ok(entry) => match entry.statement {
                Statement::Root(_) => "root",
                Statement::Keys(_) => "keys",
                Statement::Publish(_) => "publish",
                Statement::Status(_) => "status",
                Statement::CiKey(_) => "ci key",
            },
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(kinds, ["root", "keys", "keys", "publish", "status"]);
}
