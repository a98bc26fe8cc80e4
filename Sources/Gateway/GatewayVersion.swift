/// What `--version`, `/admin/stats` and the logs say.
package enum GatewayVersion {
    package static let text = "0.1.0"
}
