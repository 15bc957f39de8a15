//! Taking the id of an import apart.

use provider_framework::resource::{ImportRequest, Imported};
use provider_framework::{Failed, Report as _};
use registry_api::Name;

/// What ids of a resource type look like.
pub(crate) struct IdForm {
    /// The resource type.
    pub(crate) type_name: &'static str,
    /// What an id may begin with besides; nothing where it never does.
    pub(crate) kind: Option<&'static str>,
    /// An id, for messages.
    pub(crate) example: &'static str,
}

impl IdForm {
    /// Reads `environment/name`, with the kind before it or without, into the attributes of those names.
    pub(crate) fn read(
        &self,
        request: &ImportRequest,
        outcome: &mut Imported,
    ) -> Result<(Name, Name), Failed> {
        let mut parts: Vec<&str> = request.id.split('/').collect();
        if parts.len() == 3 && self.kind == Some(parts[0]) {
            parts.remove(0);
        }
        let names: Vec<_> = parts.into_iter().map(str::parse::<Name>).collect();
        let [Ok(environment), Ok(name)] = names.as_slice() else {
            let given: String = request.id.chars().take(100).collect();
            let why = names
                .into_iter()
                .find_map(Result::err)
                .map_or_else(String::new, |error| format!(" In it, {error}."));
            return Err(outcome.diagnostics.fail(
                format!("{given:?} is not the id of an {}", self.type_name),
                format!("An id is <environment>/<name>, such as {}.{why}", self.example),
            ));
        };
        outcome.set_attribute("environment", environment.as_str());
        outcome.set_attribute("name", name.as_str());
        Ok((environment.clone(), name.clone()))
    }
}
