//! Compiles the protobuf descriptions without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["proto/tfplugin6.proto", "proto/plugin.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".")
        // The protocol groups messages in messages that are never sent.
        .message_attribute(".tfplugin6", "#[allow(dead_code)]")
        .btree_map(".")
        .compile_fds(descriptors)?;
    Ok(())
}
