//! Statements with a constant text, which stay prepared.

/// Defines a type for a statement. Its text has one `?` per value, in the order of the fields. It returns rows of
/// `$row`.
macro_rules! statement {
    (
        $(#[$attribute:meta])*
        $name:ident<$life:lifetime> on $backend:ty, $connection:ty: ($($field:ident: $sql_type:ty = $type:ty),*) -> $row:ty = $text:expr
    ) => {
        $(#[$attribute])*
        struct $name<$life> {
            $($field: $type,)*
            _values: std::marker::PhantomData<&$life ()>,
        }

        impl<$life> diesel::query_builder::QueryFragment<$backend> for $name<$life> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, $backend>,
            ) -> diesel::QueryResult<()> {
                let mut pieces = $text.split('?');
                out.push_sql(pieces.next().unwrap_or_default());
                $(
                    out.push_bind_param::<$sql_type, $type>(&self.$field)?;
                    out.push_sql(pieces.next().unwrap_or_default());
                )*
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $row;
        }

        impl diesel::RunQueryDsl<$connection> for $name<'_> {}
    };
}
pub(crate) use statement;

/// Builds a statement with these values.
macro_rules! with_values {
    ($name:ident { $($values:tt)* }) => {
        $name { _values: std::marker::PhantomData, $($values)* }
    };
}
pub(crate) use with_values;
