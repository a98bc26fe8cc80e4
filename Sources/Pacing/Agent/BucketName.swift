/// A bucket's name in parts: the quota's, and `/model` behind it for scope model.
///
/// Parted at the byte: a mark that combines, at a model's beginning, makes one `Character` of it and the slash, and
/// callers choose models.
package enum BucketName {
    /// The quota's part.
    package static func quota(of name: String) -> String { parts(of: name).quota }

    /// - Returns: `model` nil where the bucket is one of all models.
    package static func parts(of name: String) -> (quota: String, model: String?) {
        guard let slash = name.utf8.firstIndex(of: UInt8(ascii: "/")) else { return (name, nil) }
        let model = name.utf8[name.utf8.index(after: slash)...]
        return (String(decoding: name.utf8[..<slash], as: UTF8.self), String(decoding: model, as: UTF8.self))
    }
}
