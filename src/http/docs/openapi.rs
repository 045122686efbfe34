//! Builds the `OpenAPI` document from the descriptions of the routes and from their types.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi, RefOr, Required, Response, ResponseBuilder, Server,
};

use crate::http::error::ErrorBody;
use crate::http::reply::Success;

use super::operation::{RouteAccess, RouteDoc, tags};
use super::schemas::{Schemas, any_of, of};
use super::shared_failures::{
    AUTHENTICATION, BODY, CERTIFICATES, FailureRow, HEAD, IDENTITY_LISTS, PRICE,
};
use super::{admin_failures, admin_operations, operations};

const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data";
const SIGNED: &str = "brc104";
const MIGRATE_KEY: &str = "migrateKey";
const ADMIN_TOKEN: &str = "adminToken";

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "MessageBox",
    description = "Store-and-forward boxes addressed by identity key. Every request and every reply is signed (BRC-103, BRC-104). [asyncapi.yaml](asyncapi.yaml) describes the sockets.",
))]
struct Base;

/// Describes a server with this routing prefix and public address.
pub(super) fn describe(routing_prefix: &str, address: Option<&str>) -> OpenApi {
    let mut document = Base::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.tags = Some(tags());
    document.servers = address.map(|address| vec![Server::new(address)]);
    let mut schemas = Schemas::new();
    for route in operations::ROUTES.iter().chain(admin_operations::ROUTES) {
        let path = match route.access {
            RouteAccess::Open => route.path.to_owned(),
            RouteAccess::Signed | RouteAccess::MigrateKey | RouteAccess::Admin => {
                format!("{routing_prefix}{}", route.path)
            }
        };
        let methods = vec![route.method.clone()];
        let operation = described(route, &mut schemas);
        document.paths.add_path_operation(path, methods, operation);
    }
    let components = document.components.get_or_insert_default();
    components.schemas.extend(schemas);
    let signed = ApiKeyValue::with_description(
        "x-bsv-auth-signature",
        "BRC-104: six x-bsv-auth-* headers, as AuthFetch of @bsv/sdk makes them",
    );
    components.add_security_scheme(SIGNED, SecurityScheme::ApiKey(ApiKey::Header(signed)));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(MIGRATE_KEY, SecurityScheme::Http(bearer.clone()));
    components.add_security_scheme(ADMIN_TOKEN, SecurityScheme::Http(bearer));
    document
}

fn described(route: &RouteDoc, schemas: &mut Schemas) -> Operation {
    let mut builder = OperationBuilder::new()
        .operation_id(Some(route.name))
        .tag(route.topic)
        .summary(Some(route.summary));
    let text = || Some(ObjectBuilder::new().schema_type(Type::String));
    for (name, is_required, description) in route.parameters {
        let parameter = ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Query)
            .required(if *is_required {
                Required::True
            } else {
                Required::False
            })
            .description(Some(*description))
            .schema(text());
        builder = builder.parameter(parameter);
    }
    for part in route.path.split('/') {
        let name = part.strip_prefix('{');
        if let Some(name) = name.and_then(|part| part.strip_suffix('}')) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(text());
            builder = builder.parameter(parameter);
        }
    }
    if let Some(body) = route.body {
        let mut described = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(JSON, Content::new(Some(body(schemas))));
        if route.access == RouteAccess::Signed {
            described = described.content(MULTIPART, Content::new(Some(paid_body())));
        }
        builder = builder.request_body(Some(described.build()));
    }
    // Each of them suffices. An admin at the server's machine needs none if the operator has set none.
    let accepted: &[&str] = match route.access {
        RouteAccess::Signed => &[SIGNED],
        RouteAccess::MigrateKey => &[MIGRATE_KEY],
        RouteAccess::Admin => &[ADMIN_TOKEN, SIGNED],
        RouteAccess::Open => &[],
    };
    for scheme in accepted {
        builder = builder.security(SecurityRequirement::new(*scheme, [""; 0]));
    }
    let success = ResponseBuilder::new()
        .description("Done.")
        .content(JSON, Content::new(Some((route.reply)(schemas))));
    builder = builder.response("200", success.build());
    for (status, failures) in by_status(route) {
        builder = builder.response(status.to_string(), refusal(&failures, schemas));
    }
    builder.build()
}

/// A payment, and the body of the request that it pays for (BRC-118).
fn paid_body() -> ObjectBuilder {
    let part = |description| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some(description))
    };
    ObjectBuilder::new()
        .property(
            "x-bsv-payment",
            part("JSON of derivationPrefix, derivationSuffix and transaction, at most 4 MiB"),
        )
        .property(
            "body",
            part("The request's own body, with its own content-type"),
        )
        .required("x-bsv-payment")
}

/// All failures of a route: its own, and those that it shares with others.
fn by_status(route: &RouteDoc) -> BTreeMap<u16, Vec<FailureRow>> {
    let shared: &[&[FailureRow]] = match (route.access, route.body) {
        (RouteAccess::Signed, Some(_)) => {
            &[AUTHENTICATION, IDENTITY_LISTS, CERTIFICATES, BODY, PRICE]
        }
        (RouteAccess::Signed, None) => &[AUTHENTICATION, IDENTITY_LISTS, CERTIFICATES, PRICE],
        (RouteAccess::Admin, _) => &[
            AUTHENTICATION,
            IDENTITY_LISTS,
            CERTIFICATES,
            admin_failures::EVERY,
        ],
        (RouteAccess::MigrateKey | RouteAccess::Open, _) => &[],
    };
    let mut by_status: BTreeMap<u16, Vec<FailureRow>> = BTreeMap::new();
    let shared = shared.iter().copied().flatten();
    for failure in route.failures.iter().chain(shared).chain(HEAD) {
        by_status.entry(failure.0).or_default().push(*failure);
    }
    by_status
}

/// One response for all failures of a status; each code is an example.
fn refusal(failures: &[FailureRow], schemas: &mut Schemas) -> Response {
    let codes: Vec<&str> = failures.iter().map(|(_, code, _)| *code).collect();
    let examples = failures.iter().map(|(_, code, description)| {
        let body = if description.is_empty() {
            json!({ "status": code })
        } else {
            json!({ "status": "error", "code": code, "description": description })
        };
        let example = ExampleBuilder::new().value(Some(body)).build();
        ((*code).to_owned(), RefOr::T(example))
    });
    let mut schema = of::<ErrorBody<'_>>(schemas);
    if failures
        .iter()
        .any(|(.., description)| description.is_empty())
    {
        schema = any_of([schema, of::<Success>(schemas)]);
    }
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new()
        .description(codes.join(", "))
        .content(JSON, content)
        .build()
}
