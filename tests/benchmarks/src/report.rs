//! What was measured, for people and for machines.

pub(crate) mod chart;
pub(crate) mod json;
pub(crate) mod table;

use crate::cells;
use crate::clients::Client;

/// The names of all cells and clients.
pub(crate) fn list() {
    println!("cells (* = in the short form, too)");
    for cell in cells::all() {
        let mark = if cell.in_short { '*' } else { ' ' };
        println!("  {mark} {:<28} {}", cell.name, cell.title);
    }
    println!("clients");
    for client in Client::ALL {
        println!("    {}", client.name());
    }
}
