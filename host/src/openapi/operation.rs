//! One operation of a listener, and what operations have in common.

use super::json::json_map;
use serde_json::{Map, Value, json};

/// One operation, as a line of a table.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Parameters beside those in the path.
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<Body>,
    pub(super) answer: Answer,
    /// Statuses of errors, beside those that any request may have.
    pub(super) errors: &'static [u16],
}

/// A parameter in the query or a header.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) about: &'static str,
    /// `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    pub(super) media_type: &'static str,
    /// The name of its schema; bytes or text where it has none.
    pub(super) schema: &'static str,
    /// A media type of text that is taken as well.
    pub(super) text: Option<&'static str>,
    pub(super) is_required: bool,
}

impl Body {
    /// JSON that has to be there.
    pub(super) const fn json(schema: &'static str) -> Self {
        Self { media_type: "application/json", schema, text: None, is_required: true }
    }

    /// JSON, or nothing.
    pub(super) const fn json_or_none(schema: &'static str) -> Self {
        Self { is_required: false, ..Self::json(schema) }
    }
}

/// What is answered with 200.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// JSON of this schema.
    Json(&'static str),
    /// JSON or text, as the query says.
    JsonOrText(&'static str),
    /// A prediction, with headers that say what gave it.
    Prediction(&'static str),
    /// Text of these media types.
    Text(&'static [&'static str]),
    /// A file of this media type.
    File(&'static str),
    /// Nothing.
    Empty,
}

/// Errors of any request: its head is refused, its token is not enough, or there is no place for it.
const ANY: &[u16] = &[400, 401, 403, 415, 429, 501, 503];
/// Errors of a body on its way.
const SENT: &[u16] = &[408, 413];

impl Operation {
    pub(super) fn described(&self) -> Value {
        let mut operation = json_map(json!({
            "operationId": self.id,
            "tags": [self.tag()],
            "summary": self.summary,
            "responses": self.responses(),
        }));
        let parameters: Vec<_> = self.parameters().collect();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = &self.body {
            let text = || json!({ "type": "string" });
            let schema = if body.schema.is_empty() { text() } else { reference(body.schema) };
            let mut content = json!({ body.media_type: { "schema": schema } });
            if let (Some(media_type), Some(content)) = (body.text, content.as_object_mut()) {
                content.insert(media_type.into(), json!({ "schema": text() }));
            }
            operation.insert("requestBody".into(), json!({ "required": body.is_required, "content": content }));
        }
        operation.into()
    }

    fn tag(&self) -> &'static str {
        match self.path {
            path if path.starts_with("/v2") => "V2",
            path if path.starts_with("/v1") => "V1",
            _ => "Others",
        }
    }

    fn parameters(&self) -> impl Iterator<Item = Value> {
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let in_path = names.map(|name| {
            let about = match name {
                "model" => "The model's name.",
                "version" => "A number, an alias, or `sha256:…`.",
                _ => "Its name.",
            };
            json!({
                "name": name, "in": "path", "required": true, "description": about,
                "schema": { "type": "string", "minLength": 1 },
            })
        });
        let others = self.parameters.iter().map(|Parameter { name, place, about, kind }| {
            json!({ "name": name, "in": place, "description": about, "schema": { "type": kind } })
        });
        in_path.chain(others)
    }

    fn responses(&self) -> Value {
        let sent = if self.body.is_some() { SENT } else { &[] };
        let errors = ANY.iter().chain(sent).chain(self.errors);
        let errors = errors.map(|status| (status.to_string(), json!({ "$ref": "#/components/responses/Error" })));
        let mut responses: Map<_, _> = errors.collect();
        responses.insert("200".into(), self.answer.described(self.summary));
        responses.into()
    }
}

impl Answer {
    fn described(self, summary: &str) -> Value {
        let json = |schema| json!({ "application/json": { "schema": reference(schema) } });
        let text = json!({ "schema": { "type": "string" } });
        match self {
            Self::Json(schema) => json!({ "description": summary, "content": json(schema) }),
            Self::JsonOrText(schema) => {
                let mut content = json_map(json(schema));
                content.insert("text/plain".into(), text);
                json!({ "description": summary, "content": content })
            }
            Self::Prediction(schema) => prediction(&reference(schema), &Map::new()),
            Self::Text(media_types) => {
                let content: Map<_, _> = media_types.iter().map(|&name| (name.to_owned(), text.clone())).collect();
                json!({ "description": summary, "content": content })
            }
            Self::File(media_type) => json!({ "description": summary, "content": { media_type: {} } }),
            Self::Empty => json!({ "description": summary }),
        }
    }
}

/// The answer to a request to predict.
pub(super) fn prediction(schema: &Value, examples: &Map<String, Value>) -> Value {
    let header = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    json!({
        "description": "The predictions",
        "headers": {
            "scry-model": header("The model that answered."),
            "scry-version": header("Its version, or `constant`."),
            "scry-digest": header("Its digest."),
            "scry-degraded": header("Why a fallback answered."),
            "scry-warnings": header("How much the checks warn of."),
            "scry-refused-rows": header("How many rows were refused alone."),
            "scry-error-id": header("The record of why a fallback answered, for operators."),
            "traceparent": header("The host's own span, in the caller's trace or in a new one."),
            "x-request-id": header("The request's id: the caller's, or one that was made."),
        },
        "content": { "application/json": content(schema, examples) },
    })
}

/// A body's schema with examples of it.
pub(super) fn content(schema: &Value, examples: &Map<String, Value>) -> Value {
    match examples.is_empty() {
        true => json!({ "schema": schema }),
        false => json!({ "schema": schema, "examples": examples }),
    }
}

/// A schema by its name.
pub(super) fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// What operations refer to: the schemas of this text, and those of errors.
pub(super) fn components(schemas: &str) -> Value {
    // The text is part of this program, and a test reads it.
    let mut schemas = json_map(serde_json::from_str(schemas).unwrap_or_default());
    schemas.extend(json_map(json!({
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": { "type": "string", "description": "What is wrong, what was expected, and what was found." },
                "error_id": { "type": "string", "description": "The record of it, for operators." },
                "errors": { "type": "array", "items": { "type": "object" } },
                "request_id": { "type": "string", "description": "The request's, which the header `x-request-id` has, too." },
            },
        },
        "Problem": {
            "description": "The members of a problem of RFC 9457.",
            "type": "object",
            "required": ["detail", "error", "status", "title", "type"],
            "properties": {
                "detail": { "type": "string" },
                "error": { "type": "string", "description": "The same as `detail`, where some clients look for it." },
                "error_id": { "type": "string" },
                "errors": { "type": "array", "items": { "type": "object" } },
                "reason": { "type": "string" },
                "request_id": { "type": "string" },
                "status": { "type": "integer" },
                "title": { "type": ["string", "null"] },
                "type": { "type": "string" },
            },
        },
    })));
    json!({
        "schemas": schemas,
        "responses": { "Error": {
            "description": "What is wrong; in V1 with the members of a problem, once the request's head was read",
            "content": {
                "application/json": { "schema": { "anyOf": [reference("Error"), reference("Problem")] } },
            },
        } },
    })
}
