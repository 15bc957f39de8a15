//! Whether a planned object is one that core accepts for a configuration and a prior state.

use std::collections::{BTreeMap, HashMap};

use super::place::Place;
use super::{Problem, shown};
use crate::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, NestedBlock, ResourceSchema,
};
use crate::value::Value;

/// What is missing is null.
static NULL: Value = Value::Null;

/// Everything that core would refuse in a plan. All values must be of the schema's type.
pub fn plan_valid(
    schema: &ResourceSchema,
    prior: &Value,
    config: &Value,
    planned: &Value,
) -> Vec<Problem> {
    let mut check = Check { schema, problems: Vec::new() };
    // What is write-only may have been planned for another attribute by mistake.
    let place = Place { sensitive: schema.has_write_only(), ..Place::default() };
    check.block(&schema.schema.block, &place, Values { prior, config, planned });
    check.problems
}

/// Everything that core would refuse in what opening an ephemeral resource gave. Both values must be of the schema's
/// type; no problem shows anything of them.
pub fn ephemeral_valid(schema: &ResourceSchema, config: &Value, result: &Value) -> Vec<Problem> {
    let mut check = Check { schema, problems: Vec::new() };
    let hidden = Place { sensitive: true, ..Place::default() };
    let values = Values { prior: &NULL, config, planned: result };
    check.block(&schema.schema.block, &hidden, values);
    if let Some(path) = result.first_unknown() {
        check.problems.push(Problem::new(&path, "is unknown, which an open resource must not be"));
    }
    check.problems
}

/// The three values at one place.
#[derive(Clone, Copy)]
struct Values<'a> {
    prior: &'a Value,
    config: &'a Value,
    planned: &'a Value,
}

impl<'a> Values<'a> {
    /// The three values of an attribute of the object at this place.
    fn attribute(self, name: &str) -> Self {
        let of = |value: &'a Value| value.get(name).unwrap_or(&NULL);
        // Every attribute of an unknown object is unknown.
        let config = if self.config.is_unknown() { self.config } else { of(self.config) };
        let planned = if self.planned.is_unknown() { self.planned } else { of(self.planned) };
        Self { prior: of(self.prior), config, planned }
    }

    fn element(self, index: usize) -> Self {
        let of = |value: &'a Value| match value {
            Value::List(elements) => elements.get(index).unwrap_or(&NULL),
            _ => &NULL,
        };
        Self { prior: of(self.prior), config: of(self.config), planned: of(self.planned) }
    }

    fn same(one: &Value, other: &Value) -> bool {
        one.without_refinements() == other.without_refinements()
    }
}

struct Check<'a> {
    schema: &'a ResourceSchema,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(Problem::new(&place.path, message));
    }

    /// Whether both exist or neither does; a problem otherwise.
    fn presence(&mut self, place: &Place, values: Values<'_>) -> bool {
        match (values.planned.is_null(), values.config.is_null()) {
            (true, false) => {
                self.problem(place, "planned for absence but the configuration wants existence");
            }
            (false, true) => {
                self.problem(place, "planned for existence but the configuration wants absence");
            }
            (true, true) | (false, false) => return true,
        }
        false
    }

    fn block(&mut self, block: &Block, place: &Place, values: Values<'_>) {
        if !self.presence(place, values) || values.planned.is_null() {
            return;
        }
        self.attributes(&block.attributes, place, values);
        for (name, nested) in &block.blocks {
            self.nested_block(nested, &place.attribute(name, false), values.attribute(name));
        }
    }

    fn nested_block(&mut self, nested: &NestedBlock, place: &Place, values: Values<'_>) {
        let Values { config, planned, .. } = values;
        if planned.is_null() && !matches!(nested, NestedBlock::Single(_)) {
            self.problem(
                place,
                "repeated blocks must be empty to say that there are none, not null",
            );
        } else if planned == config {
            // Nothing was changed at all.
        } else if config.is_unknown() {
            self.problem(place, "planned something for blocks that are not known yet");
        } else if planned.is_unknown() {
            self.problem(place, "planned unknown for blocks that are configured");
        } else {
            match nested {
                NestedBlock::Single(block) | NestedBlock::Group(block) => {
                    self.block(block, place, values);
                }
                NestedBlock::List(block) | NestedBlock::Optional(block) => {
                    self.block_list(block, place, values);
                }
                NestedBlock::Map(block) => {
                    self.entries(place, values, |check, place, values| {
                        check.block_element(block, place, values);
                    });
                }
                NestedBlock::Set(_) => {
                    if planned
                        .as_elements()
                        .is_some_and(|elements| elements.iter().any(Value::is_unknown))
                    {
                        self.problem(
                            place,
                            "a block must not be unknown as a whole, only attributes in it",
                        );
                    }
                }
            }
        }
    }

    fn block_list(&mut self, block: &Block, place: &Place, values: Values<'_>) {
        if let Some(count) = self.counts(place, values) {
            for index in 0..count {
                self.block_element(block, &place.index(index), values.element(index));
            }
        }
    }

    fn block_element(&mut self, block: &Block, place: &Place, values: Values<'_>) {
        if values.planned.is_unknown() {
            self.problem(place, "a block must not be unknown as a whole, only attributes in it");
        } else {
            self.block(block, place, values);
        }
    }

    fn attributes(
        &mut self,
        attributes: &HashMap<String, Attribute>,
        place: &Place,
        values: Values<'_>,
    ) {
        for (name, attribute) in attributes {
            self.attribute(
                attribute,
                &place.attribute(name, attribute.sensitive),
                values.attribute(name),
            );
        }
    }

    fn attribute(&mut self, attribute: &Attribute, place: &Place, values: Values<'_>) {
        let Values { prior, config, planned } = values;
        if self.schema.is_write_only(&place.dotted) {
            if !planned.is_null() {
                self.problem(
                    place,
                    "planned a value for a write-only attribute, which must be null",
                );
            }
            return;
        }
        if Values::same(planned, config) {
            return;
        }
        // What was there means the same as what is wanted, and may stay.
        if Values::same(planned, prior) && !prior.is_null() && !config.is_null() {
            return;
        }
        match attribute.constraint {
            AttributeConstraint::Computed => {}
            AttributeConstraint::OptionalComputed if config.is_null() => {}
            _ if config.is_null() => {
                let planned = shown(planned, place.sensitive);
                self.problem(
                    place,
                    format!("planned {planned} for an attribute that is not computed and not set"),
                );
            }
            _ => self.configured(attribute, place, values),
        }
    }

    /// The configuration sets the attribute, and the plan differs from it.
    fn configured(&mut self, attribute: &Attribute, place: &Place, values: Values<'_>) {
        match &attribute.attr_type {
            AttributeType::AttributeSingle(inner)
            | AttributeType::AttributeList(inner)
            | AttributeType::AttributeSet(inner)
            | AttributeType::AttributeMap(inner) => {
                if !self.presence(place, values) {
                    return;
                }
                if values.planned.is_unknown() {
                    self.problem(place, "planned unknown for a value that is configured");
                    return;
                }
                self.nested_attribute(&attribute.attr_type, inner, place, values);
            }
            _ => self.mismatch(place, values),
        }
    }

    fn mismatch(&mut self, place: &Place, values: Values<'_>) {
        let planned = shown(values.planned, place.sensitive);
        let config = shown(values.config, place.sensitive);
        let or_prior = match values.prior {
            Value::Null => String::new(),
            prior => format!(" nor the prior value {}", shown(prior, place.sensitive)),
        };
        self.problem(
            place,
            format!("planned {planned}, which is not the configured value {config}{or_prior}"),
        );
    }

    fn nested_attribute(
        &mut self,
        ty: &AttributeType,
        inner: &HashMap<String, Attribute>,
        place: &Place,
        values: Values<'_>,
    ) {
        match ty {
            AttributeType::AttributeSingle(_) => self.attributes(inner, place, values),
            AttributeType::AttributeList(_) => {
                if let Some(count) = self.counts(place, values) {
                    for index in 0..count {
                        self.object_element(inner, &place.index(index), values.element(index));
                    }
                }
            }
            AttributeType::AttributeMap(_) => {
                self.entries(place, values, |check, place, values| {
                    check.object_element(inner, place, values);
                });
            }
            // Elements of sets cannot be told which was which: only their count says something.
            _ if !values.config.is_unknown() => {
                self.counts(place, values);
            }
            _ => {}
        }
    }

    fn object_element(
        &mut self,
        inner: &HashMap<String, Attribute>,
        place: &Place,
        values: Values<'_>,
    ) {
        if !self.presence(place, values) {
            return;
        }
        if values.planned.is_unknown() && !values.config.is_unknown() {
            self.problem(place, "planned unknown for a value that is configured");
            return;
        }
        self.attributes(inner, place, values);
    }

    /// How many elements plan and configuration agree on; a problem if they do not.
    fn counts(&mut self, place: &Place, values: Values<'_>) -> Option<usize> {
        let planned = values.planned.as_elements()?.len();
        match values.config.as_elements().map(<[Value]>::len) {
            Some(config) if config == planned => Some(planned),
            Some(config) => {
                self.problem(
                    place,
                    format!("planned {planned} elements where {config} are configured"),
                );
                None
            }
            None => {
                self.problem(
                    place,
                    format!("planned {planned} elements where the number is not known yet"),
                );
                None
            }
        }
    }

    fn entries(
        &mut self,
        place: &Place,
        values: Values<'_>,
        mut element: impl FnMut(&mut Self, &Place, Values<'_>),
    ) {
        static NONE: BTreeMap<String, Value> = BTreeMap::new();
        let Some(planned) = values.planned.as_map() else { return };
        let Some(config) = values.config.as_map() else {
            self.problem(place, "planned elements where the configured ones are not known yet");
            return;
        };
        let prior = values.prior.as_map().unwrap_or(&NONE);
        for (key, planned) in planned {
            let place = place.key(key);
            match config.get(key) {
                Some(config) => {
                    let prior = prior.get(key).unwrap_or(&NULL);
                    element(self, &place, Values { prior, config, planned });
                }
                None => self.problem(&place, "planned an element that is not configured"),
            }
        }
        for key in config.keys().filter(|key| !planned.contains_key(*key)) {
            self.problem(&place.key(key), "left out an element that is configured");
        }
    }
}
