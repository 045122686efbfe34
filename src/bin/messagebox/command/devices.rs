//! `devices`: devices for push notifications.

use messagebox::client::{NewDevice, RegisteredDevice};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::local::output::{Printer, printable};
use crate::local::party::Party;
use crate::options::{Devices, General};

pub(crate) async fn run(
    general: &General,
    command: &Devices,
    output: Printer,
) -> Result<(), CommandError> {
    let boxes = Party::open(general)?.boxes;
    match command {
        Devices::Register {
            token,
            name,
            platform,
        } => {
            let device = NewDevice {
                fcm_token: token,
                device_id: name.as_deref(),
                platform: platform.as_deref(),
            };
            let id = boxes.register_device(&device).await?;
            output.print(&json!({ "id": id }), || format!("registered as {id}"))
        }
        Devices::List => {
            let devices = boxes.devices().await?;
            let documents: Vec<Value> = devices.iter().map(document).collect();
            output.print(&json!({ "devices": documents }), || {
                if devices.is_empty() {
                    return String::from("no devices");
                }
                devices.iter().map(|device| line(device) + "\n").collect()
            })
        }
    }
}

fn document(device: &RegisteredDevice) -> Value {
    json!({
        "id": device.id,
        "name": device.device_id,
        "platform": device.platform,
        "token": device.fcm_token,
        "active": device.active,
        "lastUsed": device.last_used,
    })
}

fn line(device: &RegisteredDevice) -> String {
    let name = device.device_id.as_deref().unwrap_or("no name");
    let platform = device.platform.as_deref().unwrap_or("unknown platform");
    let state = if device.active {
        "active"
    } else {
        "not active"
    };
    let (id, token) = (device.id, &device.fcm_token);
    printable(&format!("{id}  {name}, {platform}, {token}, {state}"))
}
