internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// `/` and `/assets/…`.
struct WebRoutes: Sendable {
    let site: WebSite

    func add(to router: Router<BackendContext>) {
        router.get("/") { request, _ in Self.response(site.page, to: request, isImmutable: false) }
        router.head("/") { request, _ in Self.response(site.page, to: request, isImmutable: false) }
        router.get("assets/:name") { request, _ in try asset(request) }
        router.head("assets/:name") { request, _ in try asset(request) }
    }

    private func asset(_ request: Request) throws -> Response {
        guard let asset = site.assets[request.uri.path] else { throw Problem(.notFound, "there is no such file") }
        return Self.response(asset, to: request, isImmutable: true)
    }

    private static func response(_ asset: WebSite.Asset, to request: Request, isImmutable: Bool) -> Response {
        let isCompressed = takesGzip(request.headers[.acceptEncoding])
        let tag = isCompressed ? asset.compressedEntityTag : asset.entityTag
        var fields: HTTPFields = [
            .eTag: tag,
            .vary: "Accept-Encoding",
            .cacheControl: isImmutable ? "public, max-age=31536000, immutable" : "no-cache",
            .xContentTypeOptions: "nosniff",
        ]
        // A cache may hold either form; both mean the same content.
        if matches(request.headers[.ifNoneMatch], [asset.entityTag, asset.compressedEntityTag]) {
            return Response(status: .notModified, headers: fields)
        }
        fields[.contentType] = asset.contentType
        if !isImmutable {
            fields[.contentSecurityPolicy] =
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        }
        if isCompressed { fields[.contentEncoding] = "gzip" }
        let body = isCompressed ? asset.compressed : asset.plain
        guard request.method != .head else {
            fields[.contentLength] = String(body.count)
            return Response(status: .ok, headers: fields)
        }
        return Response(status: .ok, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// RFC 9110, 12.5.3, as far as it bears on one coding.
    private static func takesGzip(_ field: String?) -> Bool {
        for part in (field ?? "").split(separator: ",") {
            let pieces = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let coding = pieces.first, coding == "gzip" || coding == "x-gzip" || coding == "*" else { continue }
            let weight = pieces.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return weight > 0
        }
        return false
    }

    private static func matches(_ field: String?, _ tags: [String]) -> Bool {
        (field ?? "").split(separator: ",").contains { part in
            var tag = part.drop { $0 == " " || $0 == "\t" }
            if tag == "*" { return true }
            if tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            return tags.contains { tag.hasPrefix($0) }
        }
    }
}
