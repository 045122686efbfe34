//! Checks that the database can store something: a full disk still answers reads.

use diesel::prelude::*;

use crate::db::engine::schema::server_fees;

use super::command::{Command, Work};

/// A name that no box can have: box names are not blank.
const NO_BOX: &str = " ";

/// Command: insert a row and delete it again. This takes a real commit and leaves no trace.
pub(in crate::db) struct ProbeWrite;

impl Command for ProbeWrite {
    type Output = ();

    fn run(&self, work: &mut Work<'_>) -> QueryResult<()> {
        let row = (
            server_fees::created_at.eq(&work.now.text),
            server_fees::updated_at.eq(&work.now.text),
            server_fees::message_box.eq(NO_BOX),
            server_fees::delivery_fee.eq(0),
        );
        diesel::insert_into(server_fees::table)
            .values(row)
            .execute(work.connection)?;
        diesel::delete(server_fees::table.filter(server_fees::message_box.eq(NO_BOX)))
            .execute(work.connection)?;
        Ok(())
    }
}
