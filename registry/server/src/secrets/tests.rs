//! The store on a real database and a real key file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::model::secret::SecretText;
use crate::model::secret_value::single;

const NOW: i64 = 1_750_000_000_000;

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("idp.sqlite")).await.unwrap();
        Self { folder, store }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("secrets.key")
    }

    async fn open(&self) -> Result<Secrets, SecretsError> {
        Secrets::open(&self.store, &self.file(), NOW).await
    }

    async fn refusal(&self) -> String {
        self.open().await.unwrap_err().to_string()
    }

    async fn rotate(&self) -> Rotated {
        rotate(&self.store, &self.file(), NOW + 1).await.unwrap()
    }

    async fn row(&self, name: &str, version: u64) -> SealedRow {
        let mut conn = self.store.read().await.unwrap();
        secret_keys::value(&mut conn, &path(name), version).await.unwrap().unwrap()
    }

    /// Writes a row as somebody with the database would.
    async fn tamper(&self, row: &SealedRow) {
        let mut tx = self.store.write().await.unwrap();
        secret_keys::put_value(&mut tx, row).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn put(&self, secrets: &Secrets, name: &str, version: u64, value: &str) {
        let mut tx = self.store.write().await.unwrap();
        let value = single(SecretText::new(value));
        secrets.put(&mut tx, &path(name), version, &value).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn get(
        &self,
        secrets: &Secrets,
        name: &str,
        version: u64,
    ) -> Result<String, SecretsError> {
        let mut conn = self.store.read().await.unwrap();
        let value = secrets.get(&mut conn, &path(name), version).await?;
        Ok(value.map_or("nothing".to_owned(), |value| value["value"].expose().to_owned()))
    }
}

fn path(name: &str) -> SecretRef {
    format!("secret/staging/{name}").parse().unwrap()
}

#[tokio::test]
async fn a_value_is_kept_in_its_last_version_until_it_is_deleted() {
    let fixture = Fixture::new().await;
    let secrets = fixture.open().await.unwrap();

    fixture.put(&secrets, "a", 1, "first").await;
    fixture.put(&secrets, "a", 2, "second").await;

    assert_eq!(fixture.get(&secrets, "a", 2).await.unwrap(), "second");
    assert_eq!(fixture.get(&secrets, "a", 1).await.unwrap(), "nothing");
    let mut tx = fixture.store.write().await.unwrap();
    secrets.delete(&mut tx, &path("a")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fixture.get(&secrets, "a", 2).await.unwrap(), "nothing");
}

#[tokio::test]
async fn a_row_that_was_moved_put_back_or_damaged_is_an_error() {
    let fixture = Fixture::new().await;
    let secrets = fixture.open().await.unwrap();
    fixture.put(&secrets, "a", 1, "first").await;
    let first = fixture.row("a", 1).await;
    fixture.put(&secrets, "a", 2, "second").await;
    fixture.put(&secrets, "b", 2, "another").await;
    let (second, another) = (fixture.row("a", 2).await, fixture.row("b", 2).await);

    for (what, row) in [
        ("moved", SealedRow { path: path("a"), ..another }),
        ("put back", SealedRow { version: 2, ..first }),
        ("emptied", SealedRow { sealed: Vec::new(), ..second.clone() }),
        ("cut off", SealedRow { sealed: second.sealed[1..].to_vec(), ..second.clone() }),
    ] {
        fixture.tamper(&row).await;

        let error = fixture.get(&secrets, "a", 2).await.unwrap_err();
        assert!(matches!(error, SecretsError::Damaged { .. }), "{what}: {error}");
    }
    fixture.tamper(&second).await;
    assert_eq!(fixture.get(&secrets, "a", 2).await.unwrap(), "second");
}

#[tokio::test]
async fn a_database_that_never_had_a_key_gets_one_in_a_file_of_its_owner() {
    let fixture = Fixture::new().await;

    let secrets = fixture.open().await.unwrap();
    fixture.put(&secrets, "a", 1, "hunter2").await;

    let mode = fs::metadata(fixture.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = fixture.open().await.unwrap();
    assert_eq!(fixture.get(&again, "a", 1).await.unwrap(), "hunter2");
}

#[tokio::test]
async fn a_key_file_that_is_there_first_is_taken_and_never_overwritten() {
    let other = Fixture::new().await;
    other.open().await.unwrap();
    let text = fs::read_to_string(other.file()).unwrap();
    let fixture = Fixture::new().await;

    fs::write(fixture.file(), "not a key\n").unwrap();
    let refusal = fixture.refusal().await;
    fs::write(fixture.file(), &text).unwrap();
    fixture.open().await.unwrap();

    assert!(refusal.contains("line 1 is not an id"), "{refusal}");
    assert_eq!(fs::read_to_string(fixture.file()).unwrap(), text);
}

#[tokio::test]
async fn a_key_file_that_does_not_fit_the_database_is_refused_until_the_right_one_is_back() {
    let fixture = Fixture::new().await;
    let secrets = fixture.open().await.unwrap();
    fixture.put(&secrets, "a", 1, "hunter2").await;
    let right = fs::read_to_string(fixture.file()).unwrap();
    let id = overview(&fixture.store, &fixture.file()).await.unwrap()[0].id.clone();
    let other = Key::generate(NOW);
    let wrong_key = right.replace(right.lines().last().unwrap(), &{
        let line = Keyring::from(other).to_text();
        format!("{id} {}", line.trim_end().rsplit_once(' ').unwrap().1)
    });
    let other_id = right.replace(&id, "other");

    for (content, words) in [
        (None, "is not there"),
        (Some(wrong_key), "is not the key of that name"),
        (Some(other_id), "does not have key"),
        (Some(String::new()), "it holds no key"),
        (Some("\u{0}".to_owned()), "line 1"),
    ] {
        match content {
            None => fs::remove_file(fixture.file()).unwrap(),
            Some(content) => fs::write(fixture.file(), content).unwrap(),
        }
        let refusal = fixture.refusal().await;
        assert!(refusal.contains(words), "{refusal}");
        assert!(refusal.contains("secrets.key") && refusal.contains("backup"), "{refusal}");
        assert!(refusal.contains("nothing was lost or changed"), "{refusal}");
        assert!(refusal.contains(&id) || words.starts_with("it") || words == "line 1", "{refusal}");
    }
    fs::write(fixture.file(), right).unwrap();
    let back = fixture.open().await.unwrap();
    assert_eq!(fixture.get(&back, "a", 1).await.unwrap(), "hunter2");
}

#[tokio::test]
async fn a_rotation_leaves_one_new_key_that_opens_everything() {
    let fixture = Fixture::new().await;
    let secrets = fixture.open().await.unwrap();
    let before = overview(&fixture.store, &fixture.file()).await.unwrap();
    // More than one batch.
    for number in 0..230 {
        fixture.put(&secrets, &format!("s{number}"), 1, &format!("value {number}")).await;
    }

    let rotated = fixture.rotate().await;

    assert_eq!((rotated.resumed, rotated.resealed), (false, 230));
    assert_eq!(rotated.forgotten, [before[0].id.clone()]);
    let after = overview(&fixture.store, &fixture.file()).await.unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].id.as_str(), after[0].in_file), (rotated.primary.as_str(), true));
    assert_eq!(after[0].row.as_ref().unwrap().values, 230);
    // A server that runs since before the rotation, and one that starts after it.
    for reader in [secrets, fixture.open().await.unwrap()] {
        for number in 0..230 {
            let value = fixture.get(&reader, &format!("s{number}"), 1).await.unwrap();
            assert_eq!(value, format!("value {number}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_written_and_read_while_keys_are_rotated() {
    let fixture = Arc::new(Fixture::new().await);
    let secrets = fixture.open().await.unwrap();
    fixture.put(&secrets, "a", 1, "value 1").await;

    let busy = {
        let (fixture, secrets) = (Arc::clone(&fixture), secrets.clone());
        tokio::spawn(async move {
            for version in 2..=200 {
                fixture.put(&secrets, "a", version, &format!("value {version}")).await;
                let value = fixture.get(&secrets, "a", version).await.unwrap();
                assert_eq!(value, format!("value {version}"));
            }
        })
    };
    let mut rotations = 0;
    while !busy.is_finished() || rotations == 0 {
        fixture.rotate().await;
        rotations += 1;
    }

    busy.await.unwrap();
    assert_eq!(fixture.get(&secrets, "a", 200).await.unwrap(), "value 200");
    assert_eq!(overview(&fixture.store, &fixture.file()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_row_stops_a_rotation_before_any_key_is_forgotten() {
    let fixture = Fixture::new().await;
    let secrets = fixture.open().await.unwrap();
    fixture.put(&secrets, "a", 1, "hunter2").await;
    fixture.put(&secrets, "b", 1, "broken").await;
    let row = fixture.row("b", 1).await;
    fixture.tamper(&SealedRow { sealed: vec![0], ..row }).await;

    let error = rotate(&fixture.store, &fixture.file(), NOW + 1).await.unwrap_err().to_string();

    assert!(error.contains("secret/staging/b"), "{error}");
    let keys = overview(&fixture.store, &fixture.file()).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.in_file).collect::<Vec<_>>(), [true, true]);
    fixture.put(&secrets, "b", 2, "written anew").await;
    let rotated = fixture.rotate().await;
    assert!(rotated.resumed);
    assert_eq!(fixture.get(&secrets, "a", 1).await.unwrap(), "hunter2");
    assert_eq!(fixture.get(&secrets, "b", 2).await.unwrap(), "written anew");
}

#[tokio::test]
async fn two_rotations_at_once_are_one_and_a_refusal() {
    let fixture = Fixture::new().await;
    fixture.open().await.unwrap();
    let alone = file::lock(&fixture.file()).unwrap();

    let error = rotate(&fixture.store, &fixture.file(), NOW).await.unwrap_err();
    drop(alone);

    assert!(matches!(error, SecretsError::Busy { .. }), "{error}");
    fixture.rotate().await;
}

#[tokio::test]
async fn a_linked_key_file_stays_a_link() {
    let fixture = Fixture::new().await;
    fs::create_dir(fixture.folder.path().join("safe")).unwrap();
    fixture.open().await.unwrap();
    let target = fixture.folder.path().join("safe/keys");
    fs::rename(fixture.file(), &target).unwrap();
    std::os::unix::fs::symlink(&target, fixture.file()).unwrap();

    fixture.rotate().await;

    assert!(fs::symlink_metadata(fixture.file()).unwrap().is_symlink());
    fixture.open().await.unwrap();
}
