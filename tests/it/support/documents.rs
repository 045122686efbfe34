//! Compares the served OpenAPI document with the server's answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::brc104::Answer;
use super::polling;

/// Path, status and code of an answer. A success has no code.
pub type Seen = (String, u16, String);

/// The document, and the parts that the test has seen.
pub struct Documents {
    openapi: Value,
    pub seen: BTreeSet<Seen>,
}

impl Documents {
    pub async fn of(base: &str) -> Self {
        let (status, body) = polling::get(&format!("{base}/docs/openapi.json")).await;
        assert_eq!(status, 200);
        Self {
            openapi: serde_json::from_str(&body).unwrap(),
            seen: BTreeSet::new(),
        }
    }

    /// Every path with its method.
    pub fn routes(&self) -> Vec<(String, String)> {
        let paths = self.openapi["paths"].as_object().unwrap();
        let methods = |(path, item): (&String, &Value)| {
            let methods = item.as_object().unwrap().keys();
            methods
                .map(|method| (path.clone(), method.to_uppercase()))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(methods).collect()
    }

    pub fn documented(&self) -> BTreeSet<Seen> {
        let mut all = BTreeSet::new();
        for (path, method) in self.routes() {
            let operation = &self.openapi["paths"][&path][method.to_lowercase()];
            for (status, response) in operation["responses"].as_object().unwrap() {
                let status = status.parse().unwrap();
                match response["content"]["application/json"]["examples"].as_object() {
                    Some(codes) => {
                        all.extend(
                            codes
                                .keys()
                                .map(|code| (path.clone(), status, code.clone())),
                        );
                    }
                    None => {
                        all.insert((path.clone(), status, String::new()));
                    }
                }
            }
        }
        all
    }

    /// The documented description of a failure.
    pub fn description(&self, method: &str, path: &str, status: u16, code: &str) -> &str {
        let response =
            &self.openapi["paths"][path][method.to_lowercase()]["responses"][status.to_string()];
        let example = &response["content"]["application/json"]["examples"][code];
        example["value"]["description"]
            .as_str()
            .unwrap_or_else(|| panic!("{method} {path} {status} {code} is not documented"))
    }

    /// Checks an answer against the document and records it.
    pub fn hold(&mut self, method: &str, target: &str, answer: &Answer) {
        let path = target.split('?').next().unwrap();
        let operation = &self.openapi["paths"][path][method.to_lowercase()];
        let response = &operation["responses"][answer.status.to_string()];
        let content = &response["content"]["application/json"];
        assert!(
            content.is_object(),
            "{method} {target}: {} is not documented: {}",
            answer.status,
            answer.json
        );
        // One failure has no code. Its `status` names the failure, where others have `error`.
        let code = match answer.json["code"].as_str() {
            None if answer.status != 200 => answer.json["status"].as_str().unwrap(),
            code => code.unwrap_or_default(),
        }
        .to_owned();
        if answer.status != 200 {
            assert!(
                content["examples"][&code].is_object(),
                "{method} {target}: {} {code} is not documented",
                answer.status
            );
        }
        let mut schema = content["schema"].clone();
        schema["components"] = self.openapi["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&answer.json)
            .map(|error| error.to_string())
            .collect();
        assert!(
            errors.is_empty(),
            "{method} {target}: {errors:?} in {}",
            answer.json
        );
        self.seen.insert((path.to_owned(), answer.status, code));
    }

    /// Whether a body matches a documented schema.
    pub fn is_valid(&self, schema: &str, body: &Value) -> bool {
        let reference = format!("#/components/schemas/{schema}");
        let schema = json!({"$ref": reference, "components": self.openapi["components"]});
        jsonschema::draft202012::new(&schema)
            .unwrap()
            .is_valid(body)
    }
}
