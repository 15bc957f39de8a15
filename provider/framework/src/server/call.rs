//! Calling functions.

use super::guard::catch;
use super::{BUG, Server, Unusable};
use crate::function::{Arguments, FunctionError};
use crate::rules::conform;
use crate::schema::{FunctionSchema, Parameter, Type};
use crate::value::Value;

impl Server {
    /// The types of a call's arguments and of its result.
    pub(crate) fn function_types(
        &self,
        name: &str,
        arguments: usize,
    ) -> Result<(Vec<&Type>, &Type), FunctionError> {
        let schema = self.function_schema(name)?;
        let (least, variadic) = (schema.parameters.len(), schema.variadic.is_some());
        if arguments < least || (arguments > least && !variadic) {
            let more = if variadic { " or more" } else { "" };
            return Err(FunctionError::new(format!(
                "`{name}` takes {least}{more} arguments, {arguments} given"
            )));
        }
        let types = (0..arguments)
            .filter_map(|position| parameter(schema, position))
            .map(|of| &of.param_type);
        Ok((types.collect(), &schema.return_type))
    }

    fn function_schema(&self, name: &str) -> Result<&FunctionSchema, FunctionError> {
        let entry = self.functions.get(name).ok_or_else(|| {
            FunctionError::new(format!(
                "this version of the provider has no function named `{name}`"
            ))
        })?;
        entry.schema().map_err(|Unusable(problem)| FunctionError::new(format!("{problem}. {BUG}")))
    }

    /// Calls a function.
    pub(crate) fn call(&self, name: &str, arguments: Vec<Value>) -> Result<Value, FunctionError> {
        let schema = self.function_schema(name)?;
        for (position, argument) in arguments.iter().enumerate() {
            let Some(parameter) = parameter(schema, position) else { continue };
            if argument.is_null() && !parameter.allow_null {
                return Err(FunctionError::argument(
                    position,
                    format!("`{}` must not be null", parameter.name),
                ));
            }
            if !argument.is_wholly_known() && !parameter.allow_unknown {
                return Err(FunctionError::argument(
                    position,
                    format!("`{}` must be known", parameter.name),
                ));
            }
        }
        let known = arguments.iter().all(Value::is_wholly_known);
        let Some(entry) = self.functions.get(name) else {
            return Err(FunctionError::new(format!("no function named `{name}`")));
        };
        let result = catch(|| entry.function.call(Arguments(arguments)))
            .map_err(|panic| FunctionError::new(format!("`{name}` panicked: {panic}. {BUG}")))??;
        let result = conform(result, &schema.return_type).map_err(|problem| {
            FunctionError::new(format!(
                "`{name}` returned something else than it declares: {problem}. {BUG}"
            ))
        })?;
        if known && !result.is_wholly_known() {
            return Err(FunctionError::new(format!(
                "`{name}` returned something unknown for known arguments. {BUG}"
            )));
        }
        Ok(result)
    }
}

fn parameter(schema: &FunctionSchema, position: usize) -> Option<&Parameter> {
    schema.parameters.get(position).or(schema.variadic.as_ref())
}
