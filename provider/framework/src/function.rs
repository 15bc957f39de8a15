//! Functions: pure computations that a configuration can call.

use crate::schema::FunctionSchema;
use crate::value::{ConversionError, FromValue, Value};

/// A function, called as `provider::NAME::FUNCTION(…)`.
///
/// It must be pure: core remembers results and refuses others for the same arguments, from plan to apply. Hence it is
/// not async: there is nothing it may wait for.
pub trait Function: Send + Sync + 'static {
    /// The name, without the provider's.
    fn name(&self) -> &str;

    /// Parameters and result.
    fn schema(&self) -> FunctionSchema;

    /// Computes the result.
    fn call(&self, arguments: Arguments) -> Result<Value, FunctionError>;
}

/// The arguments of one call, variadic ones at the end.
#[derive(Clone, Debug)]
pub struct Arguments(pub Vec<Value>);

impl Arguments {
    /// Reads the argument at a position.
    pub fn get<T: FromValue>(&self, position: usize) -> Result<T, FunctionError> {
        let missing = || ConversionError::new("the argument is missing");
        self.0
            .get(position)
            .ok_or_else(missing)
            .and_then(T::from_value)
            .map_err(|error| FunctionError::argument(position, error.to_string()))
    }
}

/// Why a function has no result. Functions have no warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// What is wrong.
    pub text: String,
    /// The position of the argument that is at fault, from zero.
    pub argument: Option<usize>,
}

impl FunctionError {
    /// No argument in particular is at fault.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), argument: None }
    }

    /// One argument is at fault.
    pub fn argument(position: usize, text: impl Into<String>) -> Self {
        Self { text: text.into(), argument: Some(position) }
    }
}
