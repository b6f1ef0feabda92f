//! One line of output.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

/// A line: its name, when, and its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// A line without fields.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            fields: Vec::new(),
        }
    }

    /// The same with one more field.
    pub fn with(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((field, value.into()));
        self
    }

    /// The same with one more field, if it applies.
    pub fn with_some(self, field: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    /// The same with the fields of a message.
    pub fn with_all(mut self, fields: Vec<(&'static str, Value)>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// The line for machines, without its end.
    pub fn json(&self, at: Duration) -> String {
        let mut line = format!("{{\"ev\":\"{}\",\"t\":{}", self.name, at.as_millis());
        for (field, value) in &self.fields {
            // Writing to a string does not fail.
            let _ = write!(line, ",\"{field}\":{value}");
        }
        line.push('}');
        line
    }

    /// The line for people, without its end.
    pub fn text(&self, at: Duration) -> String {
        let mut line = format!("{:>9.3}  {:<18}", at.as_secs_f64(), self.name);
        for (field, value) in &self.fields {
            let _ = write!(line, " {field}=");
            write_readable(&mut line, value);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// A value as people read it: no quotes that are not needed, no braces around one thing.
fn write_readable(line: &mut String, value: &Value) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::String(text) if text.is_empty() || text.contains(unreadable) => write!(line, "{text:?}"),
        Value::String(text) => write!(line, "{text}"),
        Value::Array(items) if items.is_empty() => write!(line, "none"),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                line.push_str(match item {
                    Value::Object(_) => "\n    ",
                    _ if place == 0 => "",
                    _ => ",",
                });
                write_readable(line, item);
            }
            Ok(())
        }
        Value::Object(fields) => {
            for (place, (field, value)) in fields.iter().enumerate() {
                let _ = write!(line, "{}{field}=", if place == 0 { "" } else { " " });
                write_readable(line, value);
            }
            Ok(())
        }
        value => write!(line, "{value}"),
    };
}

fn unreadable(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_one_json_object_or_something_to_read() {
        let line = Line::new("sub_ended")
            .with("sub", "a\nb")
            .with_some("n", Some(1))
            .with_some("m", None::<u64>);
        let at = Duration::from_micros(1_234_567);
        assert_eq!(line.json(at), r#"{"ev":"sub_ended","t":1234,"sub":"a\nb","n":1}"#);
        assert_eq!(line.text(at), "    1.235  sub_ended          sub=\"a\\nb\" n=1");
    }

    #[test]
    fn lists_are_readable() {
        let line = Line::new("servers")
            .with(
                "servers",
                json!([{"failures": 0, "url": "nats://a:1"}, {"url": "nats://b:2"}]),
            )
            .with("added", json!(["nats://a:1", "nats://b:2"]))
            .with("removed", json!([]));
        let expected = "    0.000  servers            servers=\n    failures=0 url=nats://a:1\n    url=nats://b:2 \
                        added=nats://a:1,nats://b:2 removed=none";
        assert_eq!(line.text(Duration::ZERO), expected);
    }
}
