//! Reading what was rendered.

use serde_json::Value;
use tests::Repository;

/// Every object of a folder of the repository, by file name.
pub(crate) fn objects(repository: &Repository, folder: &str) -> Vec<(String, Value)> {
    let names = repository.names(folder).into_iter();
    names
        .filter(|name| name.strip_suffix(".yaml").is_some())
        .flat_map(|name| {
            let text = repository.text(&name);
            let objects: Vec<Value> = serde_saphyr::from_multiple(&text)
                .unwrap_or_else(|error| panic!("{name} is not YAML: {error}\n{text}"));
            objects.into_iter().map(move |object| (name.clone(), object))
        })
        .collect()
}
