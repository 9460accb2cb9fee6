//! Checks JSON against the files in the schema folder: the keywords that those files use, and a
//! failure for any other, so that none is passed over in silence.

use std::path::Path;

use serde_json::Value;

/// Fails the test unless `value` is as `schema/{name}.schema.json` says.
pub fn check(name: &str, value: &Value) {
    // The repository's, or the copy of it that the package has.
    let krate = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = krate.join("../../schema");
    let folder = if folder.exists() { folder } else { krate.join("schema") };
    let path = folder.join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path).expect("the schema file");
    let schema: Value = serde_json::from_str(&text).expect("a schema");
    if let Err(fault) = visit(&schema, &schema, value, "$") {
        panic!("{name}: {fault}\n{value:#}");
    }
}

fn visit(root: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => {}
            "$ref" => {
                let target = rule.as_str().and_then(|target| target.strip_prefix('#'));
                let target = target.and_then(|target| root.pointer(target));
                visit(root, target.ok_or("a reference leads nowhere")?, value, place)?;
            }
            "type" => {
                let fits = |name: &Value| is_of_type(value, name.as_str().unwrap_or_default());
                let good = match rule {
                    Value::Array(names) => names.iter().any(fits),
                    name => fits(name),
                };
                ensure(good, place, &format!("is not of type {rule}"))?;
            }
            "const" => ensure(value == rule, place, &format!("is not {rule}"))?,
            "enum" => {
                let good = rule.as_array().is_some_and(|values| values.contains(value));
                ensure(good, place, &format!("is none of {rule}"))?;
            }
            "minimum" => {
                let good =
                    value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap_or(0.0));
                ensure(good, place, &format!("is below {rule}"))?;
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    ensure(value.get(name).is_some(), place, &format!("lacks {name}"))?;
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        visit(root, schema, value, &format!("{place}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = |name: &String| schema["properties"].get(name).is_some();
                let unknown =
                    value.as_object().into_iter().flatten().find(|(name, _)| !known(name));
                let good = rule == &Value::Bool(true) || unknown.is_none();
                ensure(
                    good,
                    place,
                    &format!("has {:?} beyond the schema", unknown.map(|it| it.0)),
                )?;
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    visit(root, rule, item, &format!("{place}[{index}]"))?;
                }
            }
            "anyOf" => {
                let faults: Vec<String> = rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map_while(|schema| visit(root, schema, value, place).err())
                    .collect();
                let count = rule.as_array().map_or(0, Vec::len);
                ensure(faults.len() < count, place, &faults.join("; "))?;
            }
            other => return Err(format!("the keyword {other} is not known to this check")),
        }
    }
    Ok(())
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn ensure(good: bool, place: &str, fault: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(format!("{place} {fault}")) }
}

#[test]
fn the_check_sees_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "additionalProperties": false,
        "properties": {
            "a": {"type": "integer", "minimum": 1},
            "b": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": ["x"]}}]}
        }
    });
    let good = |value: Value| visit(&schema, &schema, &value, "$").is_ok();
    assert!(good(serde_json::json!({"a": 1})));
    assert!(good(serde_json::json!({"a": 1, "b": null})));
    assert!(good(serde_json::json!({"a": 1, "b": ["x"]})));
    assert!(!good(serde_json::json!({})));
    assert!(!good(serde_json::json!({"a": 0})));
    assert!(!good(serde_json::json!({"a": "1"})));
    assert!(!good(serde_json::json!({"a": 1, "c": 1})));
    assert!(!good(serde_json::json!({"a": 1, "b": ["y"]})));
}
