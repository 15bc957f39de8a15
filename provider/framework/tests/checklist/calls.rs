//! Functions, the provider's own configuration, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use provider_framework::context::Context;
use provider_framework::function::{Function, FunctionError};
use provider_framework::resource::{
    Applied, CreateRequest, DeleteRequest, Read, ReadRequest, Resource, UpdateRequest,
};
use provider_framework::schema::{
    AttributeType, FunctionSchema, Parameter, ResourceSchema, Type, required,
};
use provider_framework::testing::TestProvider;
use provider_framework::value::{IntoValue as _, Value};
use provider_framework::{Failed, Report as _, async_trait};

use crate::scripted::{
    Scripted, ScriptedFunction, ScriptedProvider, assert_blamed, config, provider, thing,
};

fn parameter(name: &str, ty: Type) -> Parameter {
    Parameter { name: name.to_owned(), param_type: ty, ..Parameter::default() }
}

fn function_schema() -> FunctionSchema {
    FunctionSchema {
        parameters: vec![parameter("base", Type::Number)],
        variadic: Some(parameter("more", Type::Number)),
        return_type: Type::String,
        ..FunctionSchema::default()
    }
}

fn computing(
    schema: FunctionSchema,
    call: impl Fn(provider_framework::function::Arguments) -> Result<Value, FunctionError>
    + Send
    + Sync
    + 'static,
) -> TestProvider {
    let functions: Vec<Arc<dyn Function>> =
        vec![Arc::new(ScriptedFunction { schema, call: Box::new(call) })];
    TestProvider::new(ScriptedProvider { functions, ..ScriptedProvider::default() })
}

async fn call(provider: &TestProvider, arguments: &[i32]) -> Result<Value, FunctionError> {
    let arguments = arguments.iter().map(|argument| argument.into_value()).collect();
    provider.call("compute", arguments).await
}

#[tokio::test]
async fn a_function_gets_its_arguments_and_gives_a_result() {
    let provider = computing(function_schema(), |arguments| {
        let sum: i64 = (0..arguments.0.len())
            .map(|position| arguments.get::<i64>(position))
            .sum::<Result<_, _>>()?;
        Ok(sum.to_string().into_value())
    });

    assert_eq!(call(&provider, &[1, 2, 3]).await, Ok(Value::string("6")));
    assert_eq!(call(&provider, &[1]).await, Ok(Value::string("1")));
}

#[tokio::test]
async fn a_function_is_not_called_with_too_few_or_too_many_arguments() {
    let variadic = computing(function_schema(), |_| panic!("called"));
    assert_eq!(
        call(&variadic, &[]).await.unwrap_err().text,
        "`compute` takes 1 or more arguments, 0 given"
    );

    let fixed =
        computing(FunctionSchema { variadic: None, ..function_schema() }, |_| panic!("called"));
    assert_eq!(
        call(&fixed, &[1, 2]).await.unwrap_err().text,
        "`compute` takes 1 arguments, 2 given"
    );
}

#[tokio::test]
async fn arguments_are_null_or_unknown_only_where_the_parameter_allows() {
    let strict = computing(function_schema(), |_| panic!("called"));
    let refused = strict.call("compute", vec![Value::Null]).await.unwrap_err();
    assert_eq!(refused, FunctionError::argument(0, "`base` must not be null"));
    let refused = strict.call("compute", vec![1.into_value(), Value::UNKNOWN]).await.unwrap_err();
    assert_eq!(refused, FunctionError::argument(1, "`more` must be known"));

    let lenient =
        Parameter { allow_null: true, allow_unknown: true, ..parameter("base", Type::Number) };
    let schema = FunctionSchema { parameters: vec![lenient], ..function_schema() };
    let lenient = computing(schema, |arguments| {
        Ok(if arguments.0[0].is_unknown() { Value::UNKNOWN } else { Value::string("null") })
    });
    assert_eq!(lenient.call("compute", vec![Value::Null]).await, Ok(Value::string("null")));
    assert_eq!(lenient.call("compute", vec![Value::UNKNOWN]).await, Ok(Value::UNKNOWN));
}

#[tokio::test]
async fn a_function_returns_what_it_declares() {
    let provider = computing(function_schema(), |_| Ok(Value::Bool(true)));
    let error = call(&provider, &[1]).await.unwrap_err();
    assert!(error.text.contains("a string is required, but a bool was given"), "{error:?}");

    let provider = computing(function_schema(), |_| Ok(Value::UNKNOWN));
    let error = call(&provider, &[1]).await.unwrap_err();
    assert!(error.text.contains("something unknown for known arguments"), "{error:?}");
}

#[tokio::test]
async fn the_argument_at_fault_is_named() {
    let provider =
        computing(function_schema(), |_| Err(FunctionError::argument(1, "must be even")));

    assert_eq!(call(&provider, &[1, 3]).await, Err(FunctionError::argument(1, "must be even")));
}

#[tokio::test]
async fn a_panic_in_a_function_is_an_error() {
    let provider = computing(function_schema(), |_| panic!("overflow"));

    let error = call(&provider, &[1]).await.unwrap_err();

    assert!(error.text.starts_with("`compute` panicked: overflow."), "{error:?}");
}

#[tokio::test]
#[should_panic(expected = "compute is not pure")]
async fn a_function_that_changes_its_mind_is_caught() {
    let calls = AtomicU64::new(0);
    let provider = computing(function_schema(), move |_| {
        Ok(calls.fetch_add(1, Ordering::Relaxed).to_string().into_value())
    });

    let _ = call(&provider, &[1]).await;
}

#[tokio::test]
async fn a_provider_is_configured_though_parts_of_it_are_unknown() {
    let provider = TestProvider::new(ScriptedProvider {
        configure: Some(Box::new(|request, diagnostics| {
            if request.config.get("url") == Some(&Value::UNKNOWN) {
                diagnostics.warn("Not connected", "The URL is not known yet.");
            }
            assert_eq!(request.terraform_version, "1.11.4");
            Ok(())
        })),
        ..ScriptedProvider::default()
    });

    let diagnostics = provider.configure(Value::object([("url", Value::UNKNOWN)])).await;

    assert_eq!(diagnostics.warnings[0].summary, "Not connected");
    assert!(diagnostics.errors.is_empty());
}

#[tokio::test]
async fn everything_works_where_the_schema_was_never_asked_for() {
    let provider = provider(Scripted::default());

    let stored = thing(&provider).create(&config([])).await;

    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
}

#[tokio::test]
async fn reports_of_validation_reach_the_user() {
    let resource = Scripted {
        validate: Box::new(|request, diagnostics| {
            assert_eq!(request.config.get("size"), Some(&Value::UNKNOWN));
            let path = provider_framework::AttributePath::new("name");
            Err(diagnostics.fail_at(path, "Bad name", "Names are longer."))
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let diagnostics = thing(&provider).validate(&config([("size", Value::UNKNOWN)])).await;

    assert_blamed(&diagnostics, "name", "Names are longer.");
}

/// Something that takes for ever to be ready.
struct Slow;

impl Slow {
    async fn wait(context: &Context, outcome: &mut Applied) -> Result<(), Failed> {
        match context.cancellation.unless_cancelled(std::future::pending::<()>()).await {
            Some(()) => Ok(()),
            None => Err(outcome.diagnostics.fail("Interrupted", "It exists, but is not ready.")),
        }
    }
}

#[async_trait]
impl Resource for Slow {
    fn type_name(&self) -> &'static str {
        "test_slow"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "").attribute("name", required(AttributeType::String, ""))
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        outcome.set(request.planned);
        Self::wait(&request.context, outcome).await
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        Self::wait(&request.context, outcome).await
    }

    async fn delete(&self, request: DeleteRequest, outcome: &mut Applied) -> Result<(), Failed> {
        Self::wait(&request.context, outcome).await
    }

    async fn read(&self, _: ReadRequest, _: &mut Read) -> Result<(), Failed> {
        Ok(())
    }
}

fn slow() -> TestProvider {
    let resources: Vec<Arc<dyn Resource>> = vec![Arc::new(Slow)];
    TestProvider::new(ScriptedProvider { resources, ..ScriptedProvider::default() })
}

#[tokio::test]
async fn a_running_call_that_is_asked_to_stop_returns_what_it_knows() {
    let provider = slow();
    let config = Value::object([("name", "x")]);
    let resource = provider.resource("test_slow");

    let (stored, ()) = tokio::join!(resource.create(&config), async {
        tokio::task::yield_now().await;
        provider.stop().await;
    });

    assert_eq!(stored.state.get("name"), Some(&Value::string("x")));
    assert_eq!(stored.diagnostics.errors[0].summary, "Interrupted");
}

#[tokio::test]
async fn a_new_configuration_is_a_new_start_after_stopping() {
    let provider = slow();
    let config = Value::object([("name", "x")]);
    let resource = provider.resource("test_slow");
    provider.stop().await;
    let stopped = resource.create(&config).await;
    assert_eq!(stopped.diagnostics.errors[0].summary, "Interrupted");

    provider.configure(Value::object([("url", Value::Null)])).await;

    let again =
        tokio::time::timeout(std::time::Duration::from_millis(50), resource.create(&config)).await;
    assert!(again.is_err(), "it runs again, for ever: {again:?}");
}
