//! The schemas of the `OpenAPI` document, collected from the types that routes read and write.

use utoipa::ToSchema;
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::http::reply::Success;

use super::requests::AuthMessageBody;

/// Names and schemas of types.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// Adds the schemas of a type to the document, and refers to it.
pub(super) type SchemaOf = fn(&mut Schemas) -> RefOr<Schema>;

/// The type without a wrapper.
pub(super) fn of<T: ToSchema>(schemas: &mut Schemas) -> RefOr<Schema> {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
    RefOr::Ref(Ref::from_schema_name(T::name()))
}

/// The type beside `"status": "success"`.
pub(super) fn success<T: ToSchema>(schemas: &mut Schemas) -> RefOr<Schema> {
    let both = AllOfBuilder::new()
        .item(of::<Success>(schemas))
        .item(of::<T>(schemas));
    RefOr::T(Schema::AllOf(both.build()))
}

/// One of two types, each beside `"status": "success"`.
pub(super) fn success_of_either<A: ToSchema, B: ToSchema>(schemas: &mut Schemas) -> RefOr<Schema> {
    any_of([success::<A>(schemas), success::<B>(schemas)])
}

/// The reply of a handshake: an auth message, or nothing but a success.
pub(super) fn auth_reply(schemas: &mut Schemas) -> RefOr<Schema> {
    any_of([of::<AuthMessageBody>(schemas), of::<Success>(schemas)])
}

pub(super) fn any_of(items: [RefOr<Schema>; 2]) -> RefOr<Schema> {
    let any_of = items
        .into_iter()
        .fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    RefOr::T(Schema::AnyOf(any_of.build()))
}
