//! The `OpenAPI` document, put together from the routes' own types and the list of their failures.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::OpenApi as _;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    Server,
};

use crate::admin::{HistoryReport, ServerStatus};

use super::super::admin::{
    Accepted, Disconnected, IdentityDevices, IdentityPermissions, InboxItem, InboxList,
    ListedIdentities, ListedIdentityItem, ListingChanged, LogLevel, Removed, RoomDetail, RoomList,
    SocketDetail, SocketItem, SocketList, WaitingBoxItem, WaitingBoxes, WaitingTotalItem,
};
use super::super::error::{Details, ErrorBody};
use super::super::health::{HealthReport, ReadinessReport};
use super::super::info::{Info, InfoFeatures, InfoLimits, InfoPrices, InfoQuotas, InfoRetention};
use super::super::migrate::Migrated;
use super::super::routes::bodies;
use super::admin_failures;
use super::failures::Failure;
use super::operations::{Access, OPERATIONS, Operation};
use super::operators_data::OPERATORS_DATA;
use super::requests;
use super::shared_failures;
use super::topics;

const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data";
const SIGNED: &str = "brc104";
const MIGRATE_KEY: &str = "migrateKey";
const ADMIN_TOKEN: &str = "adminToken";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "MessageBox",
        description = "Store-and-forward boxes addressed by identity key. Every request and every reply is signed (BRC-103, BRC-104). The sockets are described in [asyncapi.yaml](asyncapi.yaml).",
    ),
    components(schemas(
        ErrorBody<'static>,
        Details,
        Migrated,
        HealthReport,
        ReadinessReport,
        Info,
        InfoFeatures,
        InfoLimits,
        InfoPrices,
        InfoQuotas,
        InfoRetention,
        bodies::Success,
        bodies::Sent,
        bodies::SentTo,
        bodies::Listed<'_>,
        bodies::Item<'_>,
        bodies::Oversized<'_>,
        bodies::Registered,
        bodies::DeviceList,
        bodies::DeviceItem,
        bodies::PermissionSet,
        bodies::PermissionFound,
        bodies::PermissionList,
        bodies::PermissionItem,
        bodies::OlderPermissionItem,
        bodies::PermissionRows,
        bodies::SingleQuote,
        bodies::QuoteAmounts,
        bodies::ManyQuotes,
        bodies::RecipientQuote,
        bodies::QuoteTotals,
        requests::SendMessageRequest,
        requests::MessageDraft,
        requests::OneOrMany,
        requests::PaymentBody,
        requests::PaymentOutputBody,
        requests::Remittance,
        requests::ListMessagesRequest,
        requests::AcknowledgeMessageRequest,
        requests::RegisterDeviceRequest,
        requests::SetPermissionRequest,
        requests::AuthMessageBody,
        HistoryReport,
        ServerStatus,
        Accepted,
        Disconnected,
        LogLevel,
        RoomDetail,
        RoomList,
        SocketDetail,
        SocketItem,
        SocketList,
        IdentityDevices,
        IdentityPermissions,
        InboxItem,
        InboxList,
        ListedIdentities,
        ListedIdentityItem,
        ListingChanged,
        Removed,
        WaitingBoxItem,
        WaitingBoxes,
        WaitingTotalItem,
    ))
)]
struct Base;

/// Describes the server whose routes have this prefix.
pub(super) fn describe(routing_prefix: &str, address: Option<&str>) -> OpenApi {
    let mut document = Base::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.tags = Some(topics::tags());
    document.servers = address.map(|address| vec![Server::new(address)]);
    if let Some(components) = &mut document.components {
        let signed = ApiKeyValue::with_description(
            "x-bsv-auth-signature",
            "BRC-104: six x-bsv-auth-* headers, as AuthFetch of @bsv/sdk makes them",
        );
        components.add_security_scheme(SIGNED, SecurityScheme::ApiKey(ApiKey::Header(signed)));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme(MIGRATE_KEY, SecurityScheme::Http(bearer.clone()));
        components.add_security_scheme(ADMIN_TOKEN, SecurityScheme::Http(bearer));
    }
    for operation in OPERATIONS.iter().chain(OPERATORS_DATA) {
        let path = match operation.access {
            Access::Open => operation.path.to_owned(),
            Access::Signed | Access::MigrateKey | Access::Admin => {
                format!("{routing_prefix}{}", operation.path)
            }
        };
        let methods = vec![operation.method.clone()];
        document
            .paths
            .add_path_operation(path, methods, described(operation));
    }
    document
}

fn described(operation: &Operation) -> utoipa::openapi::path::Operation {
    let (name, topic) = topics::named(operation);
    let mut builder = OperationBuilder::new()
        .operation_id(Some(name))
        .tag(topic)
        .summary(Some(operation.says));
    for parameter in operation.parameters {
        let required = if parameter.required {
            Required::True
        } else {
            Required::False
        };
        builder = builder.parameter(
            ParameterBuilder::new()
                .name(parameter.name)
                .parameter_in(ParameterIn::Query)
                .required(required)
                .description(Some(parameter.says))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String))),
        );
    }
    for part in operation.path.split('/') {
        let name = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        if let Some(name) = name {
            builder = builder.parameter(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .schema(Some(ObjectBuilder::new().schema_type(Type::String))),
            );
        }
    }
    if let Some(body) = operation.body {
        let mut described = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(JSON, Content::new(Some(reference(body))));
        if operation.access == Access::Signed {
            described = described.content(MULTIPART, Content::new(Some(paid_body())));
        }
        builder = builder.request_body(Some(described.build()));
    }
    builder = match operation.access {
        Access::Signed => builder.security(SecurityRequirement::new(SIGNED, [""; 0])),
        Access::MigrateKey => builder.security(SecurityRequirement::new(MIGRATE_KEY, [""; 0])),
        // Either will do; and neither, at the machine itself, where the operator has set none.
        Access::Admin => builder
            .security(SecurityRequirement::new(ADMIN_TOKEN, [""; 0]))
            .security(SecurityRequirement::new(SIGNED, [""; 0])),
        Access::Open => builder,
    };
    builder = builder.response("200", success(operation.replies));
    for (status, failures) in by_status(operation) {
        builder = builder.response(status.to_string(), refusal(&failures));
    }
    builder.build()
}

/// A payment, and the body of the request that it pays for (BRC-118).
fn paid_body() -> ObjectBuilder {
    let part = |says| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some(says))
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

fn reference(schema: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(schema))
}

fn success(replies: &[&str]) -> Response {
    let schema = match replies {
        [single] => reference(single),
        several => {
            let any_of = several.iter().fold(AnyOfBuilder::new(), |any_of, name| {
                any_of.item(reference(name))
            });
            RefOr::T(Schema::AnyOf(any_of.build()))
        }
    };
    ResponseBuilder::new()
        .description("Done.")
        .content(JSON, Content::new(Some(schema)))
        .build()
}

/// All failures of a route: its own, and those that it shares with others.
fn by_status(operation: &Operation) -> BTreeMap<u16, Vec<Failure>> {
    let shared: &[&[Failure]] = match (operation.access, operation.body) {
        (Access::Signed, Some(_)) => &[
            shared_failures::AUTHENTICATION,
            shared_failures::IDENTITY_LISTS,
            shared_failures::CERTIFICATES,
            shared_failures::BODY,
            shared_failures::PRICE,
        ],
        (Access::Signed, None) => &[
            shared_failures::AUTHENTICATION,
            shared_failures::IDENTITY_LISTS,
            shared_failures::CERTIFICATES,
            shared_failures::PRICE,
        ],
        (Access::Admin, _) => &[
            shared_failures::AUTHENTICATION,
            shared_failures::IDENTITY_LISTS,
            shared_failures::CERTIFICATES,
            admin_failures::EVERY,
        ],
        (Access::MigrateKey | Access::Open, _) => &[],
    };
    let mut by_status: BTreeMap<u16, Vec<Failure>> = BTreeMap::new();
    let all = operation
        .failures
        .iter()
        .chain(shared.iter().copied().flatten())
        .chain(shared_failures::HEAD);
    for failure in all {
        by_status.entry(failure.status).or_default().push(*failure);
    }
    by_status
}

/// One response for all failures of a status; each code is an example.
fn refusal(failures: &[Failure]) -> Response {
    let codes: Vec<&str> = failures.iter().map(|failure| failure.code).collect();
    let examples = failures.iter().map(|failure| {
        let body = if failure.says.is_empty() {
            json!({ "status": failure.code })
        } else {
            json!({ "status": "error", "code": failure.code, "description": failure.says })
        };
        let example = ExampleBuilder::new().value(Some(body)).build();
        (failure.code.to_owned(), RefOr::T(example))
    });
    let schema = if failures.iter().all(|failure| !failure.says.is_empty()) {
        reference("ErrorBody")
    } else {
        let either = AnyOfBuilder::new()
            .item(reference("ErrorBody"))
            .item(reference("Success"));
        RefOr::T(Schema::AnyOf(either.build()))
    };
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new()
        .description(codes.join(", "))
        .content(JSON, content)
        .build()
}
