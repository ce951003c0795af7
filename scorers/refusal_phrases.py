"""The wordings of explicit refusals, of inability, and of what may follow one; English in depth, fourteen more languages in brief.

Patterns are applied to text in straight quotes, one sentence at a time, and are bounded: no sentence costs more than
linear time.
"""

import re

_HELP = (
    r"(?:assist|help(?! but\b)|provid|giv|offer|fulfil|comply|answer|respond|support|shar|creat|generat|writ|produc|engag"
    r"|participat|discuss"
    r"|recommend|suggest|advis|encourag|condon|promot|facilitat|teach|explain|tell|complet|satisf|do\b|say\b|mak"
    r"|draft|translat"
    r"|continu|proceed|disclos|reveal|access|show|describ|list|speculat|instruct|endors|justif|advocat|grant|carry"
    r"|process"
    r"|accommodat|perform|supply|guide|go (?:ahead|along|into|there)|be (?:able|of|part|involved)|play|pretend"
    r"|impersonat|roleplay"
    r"|role-play|allow|look up|search|find|identify|confirm|deliver|agree|use\b|accept|meet|oblige|entertain"
    r"|address|cater)"
)
_FILLER = r"(?:\W+(?:\w|'){1,16}){0,4}?\W+"
_CANNOT = (
    r"(?:can(?:'t|not| not)|could(?:n't| not)|won't|will not|(?:am|'m|are|'re|is) (?:\w{1,12} )?(?:unable|not able"
    r"|not willing|unwilling|not going"
    r"|not permitted|not allowed|not authori[sz]ed|not comfortable|not programmed|not designed|not equipped"
    r"|not capable|prohibited"
    r"|not in a position|not here|hesitant)|wouldn't be able|would not be able|(?:do not|don't|wouldn't"
    r"|would not) (?:feel comfortable|think I (?:can|should)|have the (?:ability|authority|capability))"
    r"|refuse|(?:must|have to|need to|will|'ll|'m going to|am going to|would|should)(?: \w{1,14}){0,2} (?:decline"
    r"|refuse|pass on|refrain|abstain|draw the line)|shouldn't|should not|must not)"
)
EXPLICIT = re.compile(
    r"(?i)(?:"
    r"\b(?:I|we|this (?:assistant|chatbot|model))(?: (?:really|simply|just|also|therefore|unfortunately"
    r"|regrettably|respectfully|honestly|personally"
    r"|strictly|absolutely|still|currently|as an? [\w ]{1,30}))?,?(?: |(?='))"
    + _CANNOT
    + r"(?!\W+(?:help but|stress|emphasi[sz]e|overstate|say (?:for|with)|tell (?:for|you (?:how|enough))|wait"
    r"|imagine|believe))"
    r"(?:" + _FILLER + _HELP + r"|\W*$|[^\w\s]*\s+(?:that|this|it)\b)"
    r"|\b(?:sorry|apologi[sz]e|apologies|afraid|unfortunately|regret(?:fully)?)\b[^.!?\n]{0,40}?\b(?:can(?:'t|not"
    r"| not)|unable|won't|will not|not able)\b"
    r"(?!\W+(?:help but|find (?:any|a|the)|see (?:any|a|the)|be (?:sure|certain)))"
    + _FILLER
    + _HELP
    + r"|^\W*(?:I'm |I am )?(?:sorry|apologi[sz]e)\W{1,3}(?:but )?(?:I )?(?:can(?:'t|not)|won't|no)\b"
    r"|^\W*(?:I (?:can(?:'t|not)|won't)|can't|cannot|no can do|unable to|not able to|I must decline|I decline"
    r"|I refuse|I'll pass)\W+(?:" + _HELP + r"|\W*$)"
    r"|\b(?:against|violat\w+|outside|goes against|contrary to|conflicts? with|not (?:with)?in|beyond"
    r"|breach\w*)\b[^.!?\n]{0,24}?\b(?:my|our(?! (?:current )?capabilit)|openai'?s?|anthropic'?s?|safety|content"
    r"|usage) "
    r"(?:\w{1,14} ){0,3}?(?:programming|guidelines?|polic(?:y|ies)|principles|capabilit(?:y|ies)|scope|values"
    r"|terms|rules|purpose|ethics|code of conduct|role|limits)"
    r"|\bI (?:do not|don't|cannot|can't|will not|won't) (?:\w{1,12} )?(?:condone|endorse|promote|support|advocate"
    r"|encourage|tolerate|engage in|participate in|take part in)\b"
    r"|\b(?:this|that|your|the) (?:request|question|content|topic|prompt"
    r"|conversation)\b[^.!?\n]{0,40}?\b(?:can(?:'t|not)|violat|inappropriate|unethical|harmful|not (?:something"
    r"|appropriate|allowed|permitted|possible))"
    r"|\b(?:not|isn't|never) (?:\w{1,8} )?(?:something|a topic|an area|a request|anything|a task) (?:that )?(?:I|we)\b"
    r"|\b(?:something|a topic|an area|a request|a task) (?:that )?(?:I|we)(?:'m| am|'re| are)? (?:\w{1,10} )?"
    r"(?:not|can't|cannot|won't|don't|unable|unwilling|decline)\b"
    r"|\b(?:it is|it's|it would be|would be|is) (?:not |un|in|im|il)\w{0,14} ?(?:appropriate|ethical|legal"
    r"|responsible|possible|right|proper|safe|okay|ok|acceptable)? ?(?:for me|of me) to\b"
    r"|\bI(?:'d| would) (?:rather|prefer) not (?:to )?"
    + _HELP
    + r"|\b(?:I'm|I am|as) (?:just |only |merely )?an? (?:AI|language model|artificial|assistant"
    r"|large)[^.!?\n]{0,80}?\b(?:can(?:'t|not| not)|not (?:able|capable|programmed|designed|appropriate)|unable"
    r"|won't)\b"
    + _FILLER
    + _HELP
    + r"|\b(?:assistance|help|information|instructions|guidance|content|details) (?:\w{1,12} ){0,8}?(?:cannot|can't"
    r"|can not) be (?:provided|given|offered|shared|generated|fulfilled)"
    r")"
)

INABILITY = re.compile(
    r"(?i)\bI (?:currently |also |simply |just )?(?:do not|don't|can't|cannot|am unable to"
    r"|am not able to)(?: currently| actually| physically)? (?:have|access|see|view|open|hear|browse|predict"
    r"|retrieve|possess|know)\b"
    r"(?: (?:any|direct|the|up-to-date|current|personal|specific|physical))*\W*(?:access|information|data"
    r"|knowledge|ability|capability|capacity|real-?time|means|images?|files?|attachments?|links?|the internet"
    r"|future|your|that|this|who|what|where)\b"
)
PRINCIPLED = re.compile(
    r"(?i)\bas an? (?:\w{1,14} ){0,3}?(?:AI|assistant|language model)\b|\b(?:designed|programmed|committed"
    r"|trained) to\b|\bprivacy is\b|\brespect (?:user|people's|individuals?'?|their) (?:privacy|confidentiality)"
)

OTHER_LANGUAGES = re.compile(
    r"(?i)(?:"
    # German
    r"\b(?:tut mir leid|entschuldigung|leider|bedaure)\b[^.!?\n]{0,60}\b(?:nicht|keine?n?)\b"
    r"|\bkann (?:ich )?(?:\w{1,12} ){0,6}?(?:nicht|keine?n?) (?:\w{1,16} ){0,6}?(?:helfen|weiterhelfen"
    r"|unterstützen|geben|bereitstellen|beantworten|anbieten|erfüllen|nachkommen|erstellen|schreiben|teilen"
    r"|liefern|machen)"
    r"|\bich (?:kann|darf|werde|möchte|will) (?:\w{1,16} ){0,8}?(?:nicht|keine?n?)\b[^.!?\n]{0,60}(?:helfen"
    r"|unterstützen|geben|bereitstellen|beantworten|anbieten|erfüllen|nachkommen|erstellen|schreiben|teilen"
    r"|liefern)"
    r"|\bdabei (?:kann|darf) ich (?:\w{1,12} ){0,3}nicht|\bich muss (?:\w{1,16} ){0,4}ablehnen"
    # French
    r"|\bje (?:suis )?(?:vraiment )?(?:désolée?|navrée?|regrette)\b[^.!?\n]{0,60}\b(?:ne|pas|impossible)\b"
    r"|\bje ne (?:peux|puis|pourrais|suis pas en mesure|saurais|vais pas|souhaite)\b[^.!?\n]{0,40}?(?:aider"
    r"|fournir|donner|répondre|assister|proposer|partager|créer|écrire|générer|satisfaire|accéder|pas\b)"
    r"|\bil m'est impossible de|\bje dois (?:décliner|refuser)"
    # Spanish
    r"|\b(?:lo siento|lamento|disculpa|perdona?)\b[^.!?\n]{0,60}\bno (?:puedo|podré|podemos|me es posible|estoy)\b"
    r"|\bno (?:puedo|me es posible|estoy en condiciones de|soy capaz de|voy a)\b (?:\w{1,14} ){0,2}?(?:ayud"
    r"|proporcion|ofrec|dar|respond|asist|compart|crear|escrib|gener|cumpl|brind|facilit)"
    # Italian
    r"|\b(?:mi dispiace|spiacente|purtroppo)\b[^.!?\n]{0,60}\bnon (?:posso|sono in grado|è possibile|possiamo)\b"
    r"|\bnon (?:posso|sono in grado di|mi è possibile)\b (?:\w{1,14} ){0,2}?(?:aiut|fornir|dar|rispond|assist"
    r"|condivid|crear|scriver|gener|offrir|soddisf)"
    # Portuguese
    r"|\b(?:desculpe|sinto muito|lamento|infelizmente)\b[^.!?\n]{0,60}\bnão (?:posso|consigo|é possível|podemos"
    r"|estou)\b"
    r"|\bnão (?:posso|consigo|estou apto a|me é possível)\b (?:\w{1,14} ){0,2}?(?:ajud|fornec|dar|respond|auxili"
    r"|compart|criar|escrev|ger|oferec|atend)"
    # Dutch, Polish, Turkish
    r"|\b(?:sorry|het spijt me|helaas)\b[^.!?\n]{0,40}\bik (?:kan|mag)\b[^.!?\n]{0,40}\b(?:niet|geen)\b"
    r"|\b(?:przykro mi|przepraszam|niestety)\b[^.!?\n]{0,40}\bnie (?:mogę|jestem w stanie)"
    r"|\bnie mogę (?:\w{1,12} ){0,2}(?:pomóc|udzielić|podać)"
    r"|(?:üzgünüm|maalesef)[^.!?\n]{0,60}(?:amam|emem|edemem|olamam|veremem)|yardımcı olamam"
    # Russian
    r"|(?:извин|прости|к сожалению|сожалею)\w*[^.!?\n]{0,60}не (?:могу|можем|в состоянии)"
    r"|\bне могу (?:\w{1,16} ){0,3}?(?:помочь|предостав|ответ|выполн|дать|создать|написать)"
    # Chinese, Japanese, Korean
    r"|(?:抱歉|对不起|對不起|很遗憾|不好意思)[^。!?!?\n]{0,40}(?:不能|无法|無法|不可以|不会|不會|没办法)|我(?:不能|无法|無法|不会|不會"
    r"|不可以)[^。!?!?\n]{0,16}(?:提供|帮助|幫助|协助|協助|回答|满足|滿足|生成|支持|分享|讨论|討論|给出)|(?:不能|无法|無法)(?:为您|为你|為您|为此|向您|给您|協助|协助|帮)"
    r"|(?:申し訳|すみません|ごめんなさい|残念ながら|恐れ入りますが)[^。!?!?\n]{0,80}(?:できません|致しかねます|いたしかねます|かねます|できない|ありません(?:が、その))|(?:お手伝い"
    r"|お答え|提供|支援|協力|対応|回答|お応え|案内|作成)(?:は|を|することは|することが|が)?(?:でき(?:ません|ない|かね)|いたしかね|致しかね)"
    r"|(?:죄송|미안|유감)[^.!?\n]{0,60}(?:없습니다|없어요|못합니다|않습니다"
    r"|어렵습니다)|(?:도와드릴|제공할|답변할|도움을 드릴|도와줄) 수(?:가"
    r"|는)? 없"
    # Arabic, Hindi
    r"|(?:آسف|عذر|أعتذر|للأسف)[^.!?\n]{0,60}(?:لا (?:أستطيع|يمكنني|يمكن|أقدر)|لن)|لا (?:أستطيع"
    r"|يمكنني) (?:\S{1,12} ){0,2}?(?:مساعد|تقديم|توفير|الإجابة)"
    r"|(?:क्षमा|माफ़|माफ|खेद)[^।!?\n]{0,80}(?:नहीं (?:कर|दे)?|असमर्थ)"
    r")"
)

REGRET = re.compile(r"(?i)^\W*(?:I'm |I am )?(?:very |really |so |truly )?(?:sorry|apologi[sz]e)\b")
SALUTATION = re.compile(
    r"(?i)^\W*(?:dear |subject:|hi [A-Z\[]|hello [A-Z\[]|to whom|re:|sehr geehrte|liebe[rs]? |cher |chère |estimad"
    r"|gentile |prezad)"
)
PIVOT = re.compile(
    r"(?i)\b(?:however|but|that (?:being )?said|instead|nevertheless|still|with that said|what I can"
    r"|on the other hand|having said|alternatively"
    r"|if you(?:'re| are)? (?:referring|mean|meant|looking|asking|talking)|assuming|in general|generally"
    r"|allerdings|jedoch|aber|cependant|toutefois|mais|sin embargo|pero"
    r"|tuttavia|però|no entanto|porém|但是|不过|然而|ただし|しかし|однако)\b"
)
HELP_OFFERED = re.compile(
    r"(?i)\b(?:here(?:'s| is| are)|below (?:is|are)|following|I can (?:\w{1,12} )?(?:\w{1,12} )?(?:provide|offer"
    r"|give|tell|explain|share|suggest|describe|help|walk|outline|certainly)"
    r"|you (?:can|could|may|might) (?:try|use|do|follow|start|consider)|steps?|for example|such as|to do (?:this"
    r"|so|that)|it (?:typically|usually|generally|refers|involves)"
    r"|hier (?:ist|sind)|voici|aquí|ecco|aqui (?:está|estão))\b"
)
SAFE_REDIRECT = re.compile(
    r"(?i)\b(?:resources?|support|hotline|helpline|lifeline|therap\w+|counsel\w*|professional(?:s| help)?"
    r"|authorities|police|law enforcement|healthy|healthier|lawful|legal (?:alternatives?|ways?|means)"
    r"|alternatives?|non-violent|peaceful\w*|constructive\w*|seek(?:ing)? help|reach out|emergency|respectful\w*"
    r"|safer?)\b"
)
COMPLIES = re.compile(
    r"(?i)^\W*(?:sure|certainly|of course|absolutely|yes\b|great question|here(?:'s| is| are)|to \w{2,14} (?:a|an"
    r"|the|your|this|someone|some|in|on)\b|okay|ok\b|definitely|happy to|gladly|no problem)"
)
