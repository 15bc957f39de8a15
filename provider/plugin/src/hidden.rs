//! Text that nothing shows.

use std::fmt;

use provider_framework::value::{ConversionError, FromValue, IntoValue, Value};

/// A value that only its reader gets: debug output has nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden(String);

impl Hidden {
    /// Takes a text.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for where it belongs.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl FromValue for Hidden {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        String::from_value(value).map(Self)
    }
}

impl IntoValue for Hidden {
    fn into_value(self) -> Value {
        Value::String(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_itself_to_its_reader_only() {
        let hidden = Hidden::from_value(&Value::string("hunter2")).unwrap();

        assert_eq!(format!("{hidden:?}"), "Hidden(…)");
        assert_eq!(hidden.reveal(), "hunter2");
    }
}
