//! The certificates that an operator requires: each value is checked by itself, then all of them together.

use std::sync::Arc;

use crate::auth::{
    CertificateDemand, CertificateType, DemandError, FieldRule, RequiredCertificates,
};
use crate::ids::IdentityKey;

use super::error::{ConfigError, TOGETHER};
use super::sections::CertificatesSection;

impl CertificatesSection {
    /// Checks each value by itself. `origin` gives the origin of a key.
    pub(super) fn check_values(&self, origin: impl Fn(&str) -> String) -> Result<(), ConfigError> {
        let check = |name, text: &String, error: Option<DemandError>| match error {
            Some(error) => Err(mistake(name, &origin, format!("{error}, not {text:?}"))),
            None => Ok(()),
        };
        for text in &self.certifiers {
            let parsed = text.parse::<IdentityKey>().map_err(DemandError::from);
            check("certifiers", text, parsed.err())?;
        }
        for text in self.types.keys() {
            check("types", text, text.parse::<CertificateType>().err())?;
        }
        for text in &self.require_field {
            check("require_field", text, text.parse::<FieldRule>().err())?;
        }
        Ok(())
    }

    /// The required certificates; `None` without certifiers, types and rules.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn required(&self) -> Result<Option<RequiredCertificates>, ConfigError> {
        let is_off =
            self.certifiers.is_empty() && self.types.is_empty() && self.require_field.is_empty();
        if is_off {
            return Ok(None);
        }
        let together = |_: &str| TOGETHER.to_owned();
        self.check_values(together)?;
        let certifiers = self.certifiers.iter().filter_map(|text| text.parse().ok());
        let types = self.types.iter().filter_map(|(text, fields)| {
            let fields = fields.iter().cloned().collect();
            text.parse().ok().map(|known| (known, fields))
        });
        let rules = self
            .require_field
            .iter()
            .filter_map(|text| text.parse().ok());
        let demand = CertificateDemand::new(certifiers.collect(), types.collect(), rules.collect());
        let demand = demand.map_err(|error| {
            let name = match error {
                DemandError::NoCertifiers
                | DemandError::TooMany {
                    what: "certifiers", ..
                } => "certifiers",
                DemandError::RuleWithoutField(_) => "require_field",
                _ => "types",
            };
            mistake(name, &together, error.to_string())
        })?;
        Ok(Some(RequiredCertificates {
            demand: Arc::new(demand),
            timeout: self.timeout,
        }))
    }
}

fn mistake(name: &str, origin: &impl Fn(&str) -> String, expected: String) -> ConfigError {
    let key = format!("auth.certificates.{name}");
    ConfigError::Value {
        origin: origin(&key),
        key,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::time::Duration;

    use crate::config::{Settings, load};

    use super::*;

    const KEY: &str = "022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4";
    const OTHER: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const TYPE: &str = "+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn load_from(folder: &Path, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let variables: BTreeMap<String, String> = variables.iter().map(own).collect();
        Ok(load(folder, &variables, &[])?.settings)
    }

    fn variables(variables: &[(&str, &str)]) -> Result<CertificatesSection, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        load_from(folder.path(), variables).map(|settings| settings.auth.certificates)
    }

    #[test]
    fn variables_and_files_say_the_same() {
        let section = variables(&[
            ("AUTH_CERTIFIERS", &format!("{KEY}, {OTHER},")),
            (
                "AUTH_CERTIFICATE_TYPES",
                &format!("{TYPE}=name + Email , {TYPE}=name+age+Email"),
            ),
            ("AUTH_REQUIRE_FIELD", "name, age=30"),
            ("AUTH_CERTIFICATE_TIMEOUT", "300ms"),
        ])
        .unwrap();
        let required = section.required().unwrap().unwrap();
        assert_eq!(required.timeout, Duration::from_millis(300));
        let expected = serde_json::json!({
            "certifiers": [KEY, OTHER],
            "types": { TYPE: ["Email", "age", "name"] },
        });
        assert_eq!(required.demand.json(), expected.to_string());

        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[auth.certificates]\ncertifiers = [\"{KEY}\", \"{OTHER}\"]\nrequire_field = [\"name\", \"age=30\"]\n\
             timeout = \"300ms\"\n[auth.certificates.types]\n\"{TYPE}\" = [\"name\", \"age\", \"Email\"]\n"
        );
        std::fs::write(folder.path().join("default.toml"), text).unwrap();
        let settings = load_from(folder.path(), &[]).unwrap();
        assert_eq!(settings.auth.certificates, section);
        let systematic = [("MESSAGEBOX__AUTH__CERTIFICATES__TIMEOUT", "1s")];
        let settings = load_from(folder.path(), &systematic).unwrap();
        assert_eq!(settings.auth.certificates.timeout, Duration::from_secs(1));
        let shown = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&shown).unwrap(), settings);
    }

    #[test]
    fn by_default_nothing_is_required() {
        let required = variables(&[]).unwrap().required().unwrap();
        assert!(required.is_none());
    }

    #[test]
    fn mistakes_name_the_key_its_origin_and_what_was_expected() {
        let types = format!("{TYPE}=name");
        let error = |set: &[(&str, &str)]| variables(set).unwrap_err().to_string();
        let certifier = ("AUTH_CERTIFIERS", KEY);
        let certificate_type = ("AUTH_CERTIFICATE_TYPES", types.as_str());
        assert_eq!(
            error(&[("AUTH_CERTIFIERS", "02zz"), certificate_type]),
            "AUTH_CERTIFIERS: `auth.certificates.certifiers`: an identity key is 66 hexadecimal characters, not \"02zz\""
        );
        for wrong in ["name=name", "AAAA=name", "!!=name"] {
            let shown = error(&[certifier, ("AUTH_CERTIFICATE_TYPES", wrong)]);
            let expected = "AUTH_CERTIFICATE_TYPES: `auth.certificates.types`: a certificate type is the base64 of 32 bytes, not ";
            assert!(shown.starts_with(expected), "{shown}");
        }
        assert_eq!(
            error(&[certifier, ("AUTH_CERTIFICATE_TYPES", "name")]),
            "AUTH_CERTIFICATE_TYPES: `auth.certificates.types`: expected type=field+field,type=field, not \"name\""
        );
        assert_eq!(
            error(&[certifier]),
            "the configuration as a whole: `auth.certificates.types`: certifiers need certificate types"
        );
        assert_eq!(
            error(&[certificate_type]),
            "the configuration as a whole: `auth.certificates.certifiers`: certificate types need certifiers"
        );
        assert_eq!(
            error(&[
                certifier,
                certificate_type,
                ("AUTH_REQUIRE_FIELD", "name,age=3")
            ]),
            "the configuration as a whole: `auth.certificates.require_field`: no certificate type reveals the field \"age\""
        );
        let shown = error(&[certifier, certificate_type, ("AUTH_REQUIRE_FIELD", "=3")]);
        assert!(shown.starts_with("AUTH_REQUIRE_FIELD: "), "{shown}");
        let shown = error(&[("AUTH_REQUIRE_FIELD", "name")]);
        assert!(shown.contains("`auth.certificates.certifiers`"), "{shown}");
    }
}
