//! What only a database has, and its conversions from and to the platform's types.

use provider_framework::model;
use provider_framework::schema::ResourceSchema;
use provider_framework::value::{Attr, Number, Value};
use registry_api::platform::{DatabaseOutputs, DatabaseSpec, DeletionPolicy, Kind, Outputs};

use super::{schema, validate};
use crate::check::Check;
use crate::golden::GoldenResource;
use crate::golden::model::Found;

model! {
    /// The attributes that only a database has.
    #[expect(clippy::struct_field_names, reason = "fields are called what attributes are called")]
    pub(crate) struct Database {
        pub(super) engine: Attr<String>,
        /// A set of strings. As a value, because several of its elements may be unknown.
        pub(super) extensions: Value,
        pub(super) connection_limit: Attr<Number>,
        pub(super) statement_timeout: Attr<String>,
        pub(super) deletion_policy: Attr<String>,
        pub(super) final_dump: Attr<bool>,
        pub(super) rotation: Attr<Rotation>,
        pub(super) host: Attr<String>,
        pub(super) port: Attr<Number>,
        pub(super) database: Attr<String>,
        pub(super) owner_role: Attr<String>,
        pub(super) secret_ref: Attr<String>,
        pub(super) connection_id: Attr<String>,
        pub(super) engine_version: Attr<String>,
    }
}

model! {
    /// When everyone gets new credentials.
    pub(super) struct Rotation {
        pub(super) trigger: Attr<String>,
    }
}

impl GoldenResource for Database {
    type Spec = DatabaseSpec;

    const KIND: Kind = Kind::Database;
    const TYPE_NAME: &'static str = "idp_database";
    const SPECIFICATION: &'static [&'static str] = &[
        "engine",
        "size",
        "extensions",
        "connection_limit",
        "statement_timeout",
        "deletion_policy",
        "final_dump",
        "rotation",
        "parameters",
    ];
    const EXAMPLE: &'static str = "staging/orders";
    const PROTECTED: bool = true;
    const QUALIFIED: bool = true;
    const ADOPTABLE: bool = true;
    const REPLACEMENT: &'static str = "The database is removed first, as its `deletion_policy` says, and an empty one is \
        made afterwards.";

    fn schema() -> ResourceSchema {
        schema::schema()
    }

    fn validate(&self, check: &mut Check<'_>) {
        validate::validate(self, check);
    }

    fn with_defaults(mut self) -> Self {
        self.deletion_policy = self.deletion_policy.or("delete".to_owned());
        self.final_dump = self.final_dump.or(false);
        self
    }

    fn golden_path(&self) -> Option<String> {
        Some(format!("golden/database/{}", self.engine.known()?))
    }

    fn replacing(&self) -> Vec<(&'static str, &Attr<String>)> {
        vec![("engine", &self.engine)]
    }

    fn reason(attribute: &str) -> &'static str {
        match attribute {
            "name" => "its roles and the credentials of everyone who uses it carry the name",
            "environment" => "data does not move to another environment by itself",
            _ => "data does not move from one engine to another by itself",
        }
    }

    fn forget_results(&mut self) {
        self.host = Attr::Unknown;
        self.port = Attr::Unknown;
        self.database = Attr::Unknown;
        self.owner_role = Attr::Unknown;
        self.secret_ref = Attr::Unknown;
        self.connection_id = Attr::Unknown;
        self.engine_version = Attr::Unknown;
    }

    /// What only a database that exists has stays as it is. An upgrade of its server is for the next read to see.
    fn foresee(&mut self, prior: Option<&Self>) {
        let kept = |of: fn(&Self) -> &Attr<String>| match prior.map(of) {
            Some(Attr::Known(known)) => Attr::Known(known.clone()),
            _ => Attr::Unknown,
        };
        self.connection_id = kept(|prior| &prior.connection_id);
        self.engine_version = kept(|prior| &prior.engine_version);
    }

    fn promise(&mut self, outputs: &Outputs) {
        if let Some(reached) = &outputs.database {
            self.reach(reached);
        }
    }

    fn keep(&mut self, prior: &Self) {
        self.host.clone_from(&prior.host);
        self.port.clone_from(&prior.port);
        self.database.clone_from(&prior.database);
        self.owner_role.clone_from(&prior.owner_role);
        self.secret_ref.clone_from(&prior.secret_ref);
    }

    fn of(found: &Found<Self>) -> Self {
        let Found { resource, spec, .. } = found;
        let mut database = Self {
            engine: Attr::Known(spec.engine.clone()),
            extensions: extensions(spec),
            connection_limit: spec.connection_limit.map(Number::from).into(),
            statement_timeout: spec.statement_timeout.clone().into(),
            deletion_policy: Attr::from(match spec.deletion_policy {
                DeletionPolicy::Delete => "delete",
                DeletionPolicy::Retain => "retain",
            }),
            final_dump: Attr::Known(spec.final_dump),
            rotation: rotation(spec),
            host: Attr::Null,
            port: Attr::Null,
            database: Attr::Null,
            owner_role: Attr::Null,
            secret_ref: Attr::Null,
            connection_id: Attr::Null,
            engine_version: Attr::Null,
        };
        if let Some(reached) = &resource.outputs.database {
            database.reach(reached);
            database.connection_id = reached.connection_id.clone().into();
            database.engine_version = reached.engine_version.clone().into();
        }
        database
    }

    fn of_unmanaged(found: &Found<Self>) -> Self {
        Self {
            deletion_policy: Attr::Null,
            final_dump: Attr::Null,
            rotation: Attr::Null,
            secret_ref: Attr::Null,
            connection_id: Attr::Null,
            ..Self::of(found)
        }
    }

    fn before_destroying(&self) -> Option<(&'static str, &'static str)> {
        let retained = self.deletion_policy.known().is_some_and(|policy| policy == "retain");
        retained.then_some((
            "its data stays",
            "Its `deletion_policy` is `retain`: the platform lets go of the database, which stays on its server with \
             everything in it. An import takes it over again.",
        ))
    }
}

impl Database {
    /// How it is reached, which follows from its name and its environment.
    fn reach(&mut self, reached: &DatabaseOutputs) {
        let text = |text: &str| Attr::Known(text.to_owned());
        self.host = text(&reached.host);
        self.port = Attr::Known(reached.port.into());
        self.database = text(&reached.database);
        self.owner_role = text(&reached.owner_role);
        self.secret_ref = text(&reached.secret_ref);
    }
}

fn extensions(spec: &DatabaseSpec) -> Value {
    if spec.extensions.is_empty() {
        return Value::Null;
    }
    Value::set(spec.extensions.iter().map(String::as_str))
}

fn rotation(spec: &DatabaseSpec) -> Attr<Rotation> {
    let rotation = spec.rotation.as_ref();
    rotation.map(|rotation| Rotation { trigger: Attr::Known(rotation.trigger.clone()) }).into()
}
