internal import Hashing

/// The chat page and its files, each under an address that changes with its content, so that it may be kept for ever.
package struct WebSite: Sendable {
    package struct Asset: Sendable {
        package let path: String
        package let contentType: String
        package let plain: [UInt8]
        package let compressed: [UInt8]
        /// Strong, of the plain form; the compressed one has its own (RFC 9110, 8.8.3.3).
        package let entityTag: String
        package let compressedEntityTag: String
    }

    /// At `/`; not to be kept without asking, as it names the others' present addresses.
    package let page: Asset
    /// By path.
    package let assets: [String: Asset]

    package init() {
        var page = String(decoding: PackageResources.index_html, as: UTF8.self)
        var assets: [String: Asset] = [:]
        for (name, type, bytes) in [
            ("chat.css", "text/css; charset=utf-8", PackageResources.chat_css),
            ("chat.js", "text/javascript; charset=utf-8", PackageResources.chat_js),
            ("icon.svg", "image/svg+xml", PackageResources.icon_svg),
        ] {
            let hash = SHA256Digest.of(bytes).hex.prefix(16)
            let dot = name.firstIndex(of: ".") ?? name.endIndex
            let path = "/assets/\(name[..<dot])-\(hash)\(name[dot...])"
            assets[path] = Self.asset(path, type, bytes)
            page = page.split(separator: "{{\(name)}}", omittingEmptySubsequences: false).joined(separator: path)
        }
        self.assets = assets
        self.page = Self.asset("/", "text/html; charset=utf-8", Array(page.utf8))
    }

    private static func asset(_ path: String, _ contentType: String, _ bytes: [UInt8]) -> Asset {
        let hash = SHA256Digest.of(bytes).hex.prefix(32)
        return Asset(
            path: path,
            contentType: contentType,
            plain: bytes,
            compressed: Gzip.compress(bytes),
            entityTag: "\"\(hash)\"",
            compressedEntityTag: "\"\(hash)-gzip\""
        )
    }
}
