//! Checks that the database can store something: a full disk still answers reads.

use diesel::prelude::*;

use crate::db::engine::schema::server_fees;

use crate::db::store::command::{WriteCommand, WriteScope};

/// A name that no box can have: box names are not blank.
const NO_BOX: &str = " ";

/// Command: insert a row and delete it again. This takes a real commit and leaves no trace.
pub(crate) struct WriteProbe;

impl WriteCommand for WriteProbe {
    type Output = ();

    fn run(&self, scope: &mut WriteScope<'_>) -> QueryResult<()> {
        let row = (
            server_fees::created_at.eq(&scope.now.text),
            server_fees::updated_at.eq(&scope.now.text),
            server_fees::message_box.eq(NO_BOX),
            server_fees::delivery_fee.eq(0),
        );
        diesel::insert_into(server_fees::table)
            .values(row)
            .execute(scope.connection)?;
        diesel::delete(server_fees::table.filter(server_fees::message_box.eq(NO_BOX)))
            .execute(scope.connection)?;
        Ok(())
    }
}
