"""Finds names of people in scripts without capitals: Chinese, Japanese, Korean, Thai, Arabic.

Part of the detector (P3). What capitals tell elsewhere is told here by surnames (Chinese, Japanese and Korean
have few), by given names that are listed, by honorifics, by words for kin and colleagues, and by what may
follow a name. A rare given name without a surname or one of these is not found.
"""

# ruff: noqa: E501, SIM905 (word lists)

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from clio_dagster.privacy import word_lists
from clio_dagster.privacy.name_lists import country_names
from clio_dagster.privacy.spans import Kind, Span


def _alternatives(words: frozenset[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=lambda word: (-len(word), word)))


@cache
def _ordinary(language: str) -> frozenset[str]:
    return (
        word_lists.generic_words(language)
        | word_lists.frequent_words(language)
        | word_lists.sensitive_words()
    )


# Chinese: one or two signs of a surname, one or two of a given name.

_ZH_SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕张孔曹严华金魏陶姜戚谢邹喻章苏潘葛范彭鲁韦昌马苗方俞任袁柳鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于傅齐康伍余顾孟黄穆萧尹姚邵汪祁毛米贝明臧"
    "戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾路江童颜郭梅林钟徐邱骆高夏蔡田樊胡凌霍虞万柯莫房缪丁邓单洪包左石崔吉龚程邢裴陆荣翁荀曲封储靳段焦侯车全班秋仲伊宫宁仇栾刘景詹束龙叶司黎白蒲卓蔺池乔胥苍双谭申冉桑桂边燕尚温庄柴"
    "瞿阎连习容向古易廖耿满匡国文寇广东欧利师巩聂晁冷辛阚简饶曾关查游盖桓岳帅涂肖付代"
    "趙錢孫鄭馮陳衛蔣韓楊許呂張嚴魏謝鄒蘇魯韋馬湯羅鄔樂齊顧黃蕭龐紀賈鍾駱萬盧單榮龔陸劉葉黎喬譚溫莊閻連饒關鄧"
) | frozenset(
    "欧阳 司马 上官 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 端木 南宫 歐陽 司馬 諸葛 東方 南宮".split()
)
_ZH_GIVEN_SIGNS = frozenset(
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰玉珍红华建国志文斌辉鹏飞鑫波宇浩然轩梓涵雨桐欣怡嘉俊晨曦子墨诗琪佳慧颖琳玲琴云凤莲翠晶雪梅春燕萍倩婷莹洁淑惠珠美爱秋菊香岚思远航博睿泽昊天翔凯健龙旭阳帆"
    "亮林海峰山松柏森宁安康乐贤德仁义礼智信达贵富荣光耀祖继承宏鸿振兴东南北成才良忠诚孝家庆祥瑞福寿永长立新民生社胜利和正清廉洪武勋慕白若冰语嫣可心梦瑶依诺一鸣雅芝静怡紫萱雪莹丹妮露薇蕾蓉芬芸茜菲璐瑾瑜璇瑛珊璟彤悦"
    "偉麗強軍豔濤剛蘭紅國輝鵬飛軒欣儀慧穎鳳蓮瑩潔愛遠澤龍陽東慶貴榮興勝婷筱小晓曉大少世学学思宗启启奇琦齐麒希熙曦西夕西汐溪锦锐钧铭铮钰钢锋健剑斐霖霏雯雲雷震霆露云哲喆恩惟唯维伊艺毅逸亦奕意翼懿"
)
_ZH_BEFORE = (
    "我叫|叫做|名叫|名字是|名字叫|我是|姓名[:：]?|和|跟|与|给|对|让|被|找|问|见|请|向|替|因为|觉得|同事|老板|邻居|朋友|经理|妻子|丈夫|老公|老婆|儿子|女儿|哥哥|弟弟|姐姐|妹妹|妈妈|爸爸|母亲|父亲|导师|医生|房东|室友|同学|客户"
    "|男友|女友|男朋友|女朋友|主管|领导|老师|前任|上司|回复|联系|喜欢|爱上|认识|署名|此致敬礼[，,]?|敬上[，,]?"
)
_ZH_AFTER = "的|在|是|说|告诉|给|对|和|跟|与|让|把|写|要|不|也|都|总|被|才|会|就|有|没|从|做|去|来|打|问|骗|谈|一起|每|昨|今|明天|先生|女士|小姐|老师|医生|同学|经理|阿姨|叔叔|教授|主任|律师|师傅|因|怎|吗|呢|吧|了"
_ZH_HONOURS = "先生|女士|小姐|老师|医生|同学|经理|阿姨|叔叔|教授|主任|律师|师傅|总监|大夫|太太|夫人"
_ZH_NOT = frozenset(
    "高中 高兴 高级 高考 安全 安排 安装 安静 平安 和平 明天 明年 明白 文章 文化 文件 文学 方法 方便 方面 方式 方向 方案 国家 国际 国内 国庆 华为 东西 东北 东南 全部 全国 全文 全家 常常 常用 常见 任何 任务 江苏 江南 马上 马云 白天 石头 关于 关系 关心 单位 单词 石油 金融 黄金 黄色 温度 游戏 向来 简单 简历 简介 包括 毛病 路线 许多 成为 左右 应该 时候 曾经 万一 易于 广东 广州 广西 云南 山东 山西 海南 安徽 宁波 宁夏 贵州 林业 东京 米饭 水平 乐观 华东 华南 华北 中国 宁静 吉林 白云 文明 江山 明星 国文 安德 马来 罗马 于是 于此 师生 师兄 包子 边缘 田园 石家庄 安卓 关注 关闭 查看 查询 利用 利益 利率 司法 司机 卓越 连续 连接 游泳 游客 封面 容易 项目 米兰 路易 梅西 麦当 马德里 温哥华 华盛顿 康复 康德 乐器 车辆 车站 房子 房屋 房价 钟头 秋天 夏天 梁柱 季节 单身 单一 常识 国王 国民 国外 文字 文科 文本 文艺 东部 东方 段落 段子 程序 程度 景点 景色 景德 石化 包装 包裹 明显 明确 明明 明智 荣誉 辛苦 冷静 冷战 满意 满足 古代 古典 古文 古诗 利于 利好 简洁 简短 简明 简化 容器 容量 广告 广泛 广场 习惯 习题 班级 班主 班长 全面 全球 全职 全新 白色 白人 向上 向下 边界 双方 双语 庄园 齐全 贝多芬 华语 华人 金属 金钱 金色 金额 毛泽 连锁 申请 伊斯兰 伊拉克 伊朗 温柔 温暖 尚未 黎巴嫩 阮文 柏林 马拉 马克 万圣 安娜 路德 费用 费城 史学 史诗 唐代 唐朝 宋代 宋朝 宋词 唐诗 明代 明朝 汉朝 元朝 清朝 秦朝 秦始皇 夏季 秋季 冬季 殷商 童话 童年 苏联 苏州 苏格兰 杭州 郑州 徐州 常州 柳州 梅州 温州 泰州".split()
)


_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


def _chinese(text: str) -> Iterator[Span]:
    if _KANA.search(text):
        return
    surname, loose = _zh_patterns()
    given = _zh_given()
    for match in surname.finditer(text):
        name = match.group("name")
        if name[:2] in _ZH_NOT or name[:3] in _ZH_NOT or name in _ordinary("zh"):
            continue
        first = name[2:] if name[:2] in _ZH_SURNAMES and len(name) > 2 else name[1:]
        if first in given or (len(first) > 1 and name[:2] in _ZH_SURNAMES):
            yield match.span("name")
    for match in loose.finditer(text):
        name = match.group("name")
        if (
            name[:2] not in _ZH_NOT
            and name[:3] not in _ZH_NOT
            and name[:2] not in _ordinary("zh")
            and name[1:] not in _ordinary("zh")
            and name not in _ordinary("zh")
        ):
            yield match.span("name")


@cache
def _zh_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    surnames = _alternatives(_ZH_SURNAMES)
    sign = f"[{''.join(sorted(_ZH_GIVEN_SIGNS))}]"
    ends = rf"(?=(?:{_ZH_AFTER})|[^\u4e00-\u9fff]|$)"
    anywhere = rf"(?P<name>(?:{surnames}){sign}{{2}}|(?:{_alternatives(frozenset(name for name in _ZH_SURNAMES if len(name) > 1))}){sign}{{1,2}}){ends}"
    behind = rf"(?:(?:{_ZH_BEFORE})|^|(?<=[^\u4e00-\u9fff]))(?P<name>(?:{surnames})(?:{sign}{{2}}(?={_ZH_AFTER}|[^\u4e00-\u9fff]|$)|{sign}(?={_ZH_HONOURS}|[^\u4e00-\u9fff]|的|$)|(?={_ZH_HONOURS})))"
    return re.compile(anywhere), re.compile(behind)


@cache
def _zh_given() -> frozenset[str]:
    listed = country_names("zh_CN", "first_name") | country_names("zh_TW", "first_name")
    return frozenset(name for name in listed if len(name) == 2) | frozenset(
        one + other
        for one in "建志嘉梓晓玉雨思美俊家文国春秀淑丽海永子明晨佳欣宇浩梦雅诗慧小"
        for other in "勋远欣涵丽兰桐明宁华英芳强军伟杰涛超平刚珍红敏静娟霞洁琳玲婷怡辉鹏飞轩豪然宇琪颖雪梅燕萍倩莹龙峰林亮东成良荣光民生祥瑞福悦彤瑶萱"
    )


# Japanese: a surname that is listed, then one to three signs, then what may follow a name.

_JA_SURNAMES = frozenset(
    """
    佐藤 鈴木 高橋 田中 伊藤 渡辺 渡邊 渡邉 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 斎藤 齋藤 斉藤 清水 山崎 山﨑 森 池田 橋本 阿部 石川 山下 中島 中嶋 石井 小川 前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木
    坂本 福田 太田 西村 藤井 金子 岡本 藤原 中野 三浦 原田 中川 松田 竹内 小野 田村 中山 和田 石田 森田 上田 原 内田 柴田 酒井 宮崎 横山 高木 安藤 宮本 大野 小島 谷口 今井 工藤 高田 増田 丸山 杉山 村田 大塚 新井 小山 平野 藤本
    河野 上野 武田 野口 松井 千葉 菅原 岩崎 久保 木下 佐野 野村 松尾 市川 菊地 菊池 杉本 古川 大西 島田 水野 桜井 櫻井 高野 吉川 山内 西田 飯田 菊池 西川 小松 北村 安田 五十嵐 川口 平田 関 中田 久保田 服部 東 岩田 土屋 川崎 福島
    本田 辻 樋口 秋山 田口 永井 山中 中西 吉村 川上 大島 石原 松岡 馬場 浜田 森本 星野 矢野 浅野 大久保 松下 吉岡 小池 野田 荒木 熊谷 松浦 大谷 内藤 黒田 尾崎 永田 川村 望月 松村 田辺 菅野 堀 荒井 西山 大石 平井 横田 岩本 片山 本間
    早川 小野寺 宇都宮 小泉 成田 関口 大川 片岡 富田 栗原 須藤 白石 石橋 高山 三宅 今村 南 西尾 堤 富永 若林 神田 岸 奥村 榎本 梅田 長田 岸本 児玉 土井 落合 牧野 日高 柳田 北川 福井 沢田 澤田 高島 津田 五島 一ノ瀬 西園寺 御手洗 小笠原 東海林
    """.split()
)
_JA_SHORT = frozenset("森 原 関 東 辻 堀 南 岸 堤".split())
_JA_HONOURS = "さん|様|さま|氏(?![\u4e00-\u9fff])|くん|君(?![\u4e00-\u9fff])|ちゃん|先生|部長|課長|社長|係長|店長|教授|先輩"
_JA_AFTER = "は|が|と|の|を|に|へ|です|も|や|で|から|より|って|、|。|，|．|！|？|」|』|\\s|$"
_JA_PLACES = (
    "大学",
    "高校",
    "中学",
    "小学",
    "病院",
    "空港",
    "公園",
    "神社",
    "銀行",
    "商店",
    "県",
    "市",
    "区",
    "町",
    "村",
    "駅",
    "府",
    "都",
    "道",
    "郡",
    "島",
    "湖",
    "橋",
    "港",
    "線",
)
_NOT_SAN = frozenset(
    "お母 お父 お兄 お姉 母 父 兄 姉 奥 旦那 客 皆 看護婦 医者 店員 子供 娘 息子 患者 業者 お客 皆様 お嬢 神 王 姫 仏 殿 何 貴 奥 大家 隣 本屋 花屋 魚屋 肉屋 新郎 新婦 同 両 模 多 異 同様 仕 有".split()
)


def _japanese(text: str) -> Iterator[Span]:
    for match in _ja_pattern().finditer(text):
        given = match.group("given")
        if match.group("surname") in _JA_SHORT and not match.group("honour"):
            continue
        if given and (
            given.startswith(_JA_PLACES)
            or given[-1] in "県市区町村駅府都道郡湖橋港線"
            or match.group(0) in _ordinary("ja")
        ):
            continue
        yield match.start("surname"), match.end("given") if given else match.end("surname")
    for match in _JA_SAN.finditer(text):
        name = match.group("it")
        if name not in _NOT_SAN and name not in _ordinary("ja") and name[-1] not in "屋者員達々":
            yield match.span("it")
    for match in _JA_INTRODUCED.finditer(text):
        yield match.span("it")


@cache
def _ja_pattern() -> re.Pattern[str]:
    surnames = _alternatives(
        _JA_SURNAMES
        | frozenset(
            name
            for name in country_names("ja_JP", "last_name")
            if len(name) > 1 and "\u4e00" <= name[0] <= "\u9fff"
        )
    )
    return re.compile(
        rf"(?:(?<![\u4e00-\u9fff々])|(?<=昨日|今日|先日|昨夜|今朝|同僚|友人|上司|先生|部下|社長|部長|課長|店長|担当))(?P<surname>{surnames})(?:\s?(?P<given>[\u4e00-\u9fff々]{{1,3}}|[\u3041-\u3096]{{2,3}}|[\u30a1-\u30fa]{{2,4}}))?(?:(?P<honour>{_JA_HONOURS})|(?<=[\u4e00-\u9fff]{{3}})(?={_JA_AFTER})|(?<=[\u3041-\u3096]{{2}})(?=さん|様))"
    )


_JA_SAN = re.compile(
    r"(?<![\u4e00-\u9fff々\u30a1-\u30fc])(?P<it>[\u4e00-\u9fff々]{2,5}|[\u30a1-\u30fc・]{2,20})(?=さん|氏(?![\u4e00-\u9fff])|ちゃん|くん)"
)
_JA_INTRODUCED = re.compile(
    r"(?:私の名前は|名前は|わたしは|氏名[:：]|友人の|同僚の|上司の|部下の|彼氏の|彼女の|夫の|妻の|息子の|娘の|兄の|弟の|姉の|妹の|隣の)(?P<it>[\u3040-\u30ff\u4e00-\u9fff]{2,8}?)(?=です(?!か)|と申|と言い|といい|さん|氏)"
)

# Korean: one or two syllables of a surname, two of a given name, then a particle or a title.

_KO_SURNAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용"
) | frozenset("남궁 황보 제갈 사공 선우 독고 서문 동방".split())
_KO_GIVEN = frozenset(
    """
    민준 서준 도윤 예준 시우 하준 주원 지호 지후 준우 준서 도현 건우 현우 우진 지훈 선우 서진 연우 유준 정우 승우 승현 시윤 준혁 은우 지환 승민 유찬 지우 윤우 수호 동현 성민 성현 재윤 민재 현준 지원 시후 진우 민성 민우 준영 승준 한결
    서연 서윤 서현 하은 하윤 민서 지유 윤서 채원 수아 지민 지아 다은 은서 예은 수빈 지안 소율 예린 예원 하린 소윤 유진 시은 유나 채은 가은 서영 윤아 민지 수연 예진 다인 수민 연서 나은 지현 소연 현서 은지 예나 혜진 지은 미영 영희 철수 영수 영호
    정희 순자 영자 정숙 미숙 경숙 명숙 혜숙 은영 은정 미경 현주 은주 경희 영숙 정호 상철 성호 영철 영진 병철 진호 상훈 성훈 재훈 정훈 동훈 태훈 태현 태민 재현 재원 지영 소영 민영 유정 혜원 혜림 보람 슬기 아름 하나 주희 선희 미희 은희 영미 경미 선영 주영 진영
    기영 기현 종현 종훈 준호 민호 태호 윤호 강민 세훈 세영 나영 나연 다현 정연 채영 사나 미나 가영 가현 나래 동욱 동건 상우 상민 성우 성준 승기 승호 재석 재호 형준 형석 호준 희준 효진 효주 효정 수진 수정 수현 수영 민정 민경 민아 미정 미선 미연 윤정 윤희 윤미
    """.split()
)
_KO_AFTER = "씨|님|군|양|이|가|은|는|을|를|의|에게|와|과|한테|께|도|만|랑|이랑|하고|에|로부터|입니다|이에요|예요|이라|라고|이고|아|야|드림|올림|부장|과장|대리|팀장|사장|선생|교수|의사|변호사|선배|후배"
_KO_TITLES = "씨|님|군(?![가-힣])|양(?![가-힣])|부장|과장|차장|대리|팀장|사장|선생|교수|의사|변호사|대표|선배|드림|올림"
_KO_BEFORE = "이름은|이름이|성함은|저는|나는|친구|남편|아내|동생|형|누나|언니|오빠|엄마|아빠|상사|동료|사장|부장|과장|팀장|선생님|교수|의사|아들|딸|남자친구|여자친구|전남친|전여친|이웃|집주인|룸메이트|담당자|이름:|성명:"
_KO_NOT = frozenset(
    "이미지 이유진 강아지 고양이 한국인 한국어 신청서 정보처 주민등 전문가 이번주 이사회 정우성향 우리나 고등학 오늘도 조사원 연구원 하나은 여행지 지원서 지원금 배우자 한하나 이하나 하나하나 민주주 유지하 이상민감".split()
)


def _korean(text: str) -> Iterator[Span]:
    for match in _ko_pattern().finditer(text):
        name = match.group("it")
        given = name[2:] if name[:2] in _KO_SURNAMES and len(name) > 3 else name[1:]
        likely = all(sign in _ko_syllables() for sign in given)
        listed = given in _ko_given() or (len(name) == 4 and name[:2] in _KO_SURNAMES)
        told = bool(match.group("title") or match.group("before"))
        if name in _KO_NOT or name in _ordinary("ko") or (not listed and name[:2] in _ordinary("ko")):
            continue
        if listed or (told and likely):
            yield match.span("it")
    for match in _KO_CALLED.finditer(text):
        if match.group("it") not in _ordinary("ko") and len(match.group("it")) > 2:
            yield match.span("it")


@cache
def _ko_given() -> frozenset[str]:
    return _KO_GIVEN | frozenset(name for name in country_names("ko_KR", "first_name") if len(name) == 2)


@cache
def _ko_syllables() -> frozenset[str]:
    return frozenset("".join(_ko_given()))


@cache
def _ko_pattern() -> re.Pattern[str]:
    surnames = _alternatives(_KO_SURNAMES)
    return re.compile(
        rf"(?P<before>(?<![가-힣])(?:{_KO_BEFORE})\s)?(?<![가-힣])(?P<it>(?:{surnames})[가-힣]{{2}})(?=(?P<title>\s?(?:{_KO_TITLES}))|(?:{_KO_AFTER})|[^가-힣]|$)"
    )


_KO_CALLED = re.compile(
    r"(?:제 이름은|내 이름은|이름은)\s?(?P<it>[가-힣]{2,4}?)(?=입니다|이에요|예요|이야|야|$|[.\s])"
)

# Thai: a listed given name at the end of a run of letters, or what stands behind a title; then a surname.

_TH_TITLED = re.compile(
    r"(?:นางสาว|นาง|นาย|น\.ส\.|ด\.ช\.|ด\.ญ\.|คุณ|ดร\.|(?:ชื่อว่า|ชื่อ)\s?(?:นางสาว|นาง|นาย)?)\s?(?P<it>[\u0e01-\u0e5b]{2,20}(?:\s[\u0e01-\u0e5b]{2,20})?)"
)
_TH_LINKED = re.compile(
    r"(?:กับ|ให้|จาก|ของ|ว่า|โดย|ถึง|ตอบ|พบ|หัวหน้า|เพื่อน|แฟน|สามี|ภรรยา|พี่|น้อง|ลูกชาย|ลูกสาว|(?:^|\n)\s*)(?P<it>[\u0e01-\u0e4e]{3,16}?\s(?:วงศ์|ศรี|บุญ|แก้ว|ทอง|ใจ|เจริญ|พรหม|สุข|ชัย|รัตน|จันทร์|แสง|เพ็ชร|เพชร|อินทร์|สิงห์|คำ|พงษ์|ธนา|วัฒน|มณี|นาค|พูล|สม|วิเชียร|รุ่ง|ปัญญา|สว่าง)[\u0e01-\u0e4e]{1,14})(?![\u0e01-\u0e4e])"
)
_TH_COMMON = frozenset(
    "สมชาย สมศักดิ์ สมหญิง สมพร สมบัติ ประเสริฐ สุชาติ สุรชัย วิชัย วิโรจน์ อนุชา อนันต์ ธนพล ธนากร ณัฐพงษ์ ณัฐวุฒิ ณัฐพล กิตติ กิตติศักดิ์ วรวุฒิ วีระ วีรพล ชัยวัฒน์ พงศกร ภูมิ ศุภชัย อภิชาติ เอกชัย นิภา มาลี สุดา สุนีย์ วันดี ปราณี พรทิพย์ นภา จันทรา รัตนา วิไล ศิริพร อัญชลี กัญญา ปิยะดา ชุติมา ณัฐธิดา".split()
)
_TH_RUN = re.compile(r"[\u0e01-\u0e4e]+")
_TH_NOT_NAMES = re.compile(
    r"^(?:นาย|นาง|ครับ|ค่ะ|คะ|ช่วย|ต้องการ|สามารถ|จะ|คือ|ที่|ว่า|ให้|ได้|เป็น|มี|ไม่|อะไร|เรื่อง|และ|หรือ|ภาพ|สมบัติ|ค่า|แม่|พ่อ|หมอ|ครู|ลักษณะ|ประโยชน์|ของ|อยู่|คิด|รู้|เคย|ทำ|เขียน|แปล|ไฟล์|หนังสือ|เพลง|ร้าน|เล่น|บริษัท|ผลิตภัณฑ์|เสียง|หน่อย|ขอ|กำลัง|ควร|อยาก|ชอบ|แนะนำ|บอก|ใช้|คิดว่า|เดียวกัน|เต็ม|ใหม่|จริง|ผู้)"
)


def _thai(text: str) -> Iterator[Span]:
    given, surnames = _th_names()
    runs = list(_TH_RUN.finditer(text))
    for run, following in zip(runs, [*runs[1:], None], strict=True):
        word = run.group()
        size = next((size for size in range(min(16, len(word)), 3, -1) if word[-size:] in given), 0)
        if not size or following is None or text[run.end() : following.start()] != " ":
            continue
        surname = following.group()
        known = next(
            (length for length in range(min(20, len(surname)), 3, -1) if surname[:length] in surnames), 0
        )
        if known or (len(surname) <= 18 and not _TH_NOT_NAMES.match(surname)):
            yield run.end() - size, following.start() + (known or len(surname))
    for match in _TH_LINKED.finditer(text):
        if not _TH_NOT_NAMES.match(match.group("it")) and match.group("it").split()[0] not in _ordinary("th"):
            yield match.span("it")
    for match in _TH_TITLED.finditer(text):
        first, _, surname = match.group("it").partition(" ")
        if _TH_NOT_NAMES.match(first) or first in _ordinary("th"):
            continue
        size = next((size for size in range(min(16, len(first)), 2, -1) if first[:size] in given), 0)
        if match.group().startswith("คุณ") and not size:
            continue
        if surname and not _TH_NOT_NAMES.match(surname) and size in (0, len(first)):
            yield match.span("it")
        else:
            yield match.start("it"), match.start("it") + (size or len(first))


@cache
def _th_names() -> tuple[frozenset[str], frozenset[str]]:
    return (
        (_TH_COMMON | frozenset(name for name in country_names("th_TH", "first_name") if len(name) > 3))
        - _ordinary("th"),
        frozenset(name for name in country_names("th_TH", "last_name") if len(name) > 3) - _ordinary("th"),
    )


# Arabic: listed names, two of them together or behind a title, kin or a preposition.

_AR_WORD = re.compile(r"[\u0621-\u063a\u0641-\u064a\u0671-\u06d3][\u0621-\u065f\u0670-\u06d3]*")
_AR_MARKS = re.compile(r"[\u064b-\u065f\u0640]")
_AR_TITLES = frozenset(
    "السيد السيدة الأستاذ الأستاذة الدكتور الدكتورة المهندس المهندسة الشيخ الآنسة للسيد للسيدة للأستاذ للدكتور للدكتورة والسيد والسيدة سيد دكتور أستاذ".split()
)
_AR_NAMED = frozenset("اسمي اسمه اسمها يدعى تدعى يسمى تسمى أدعى".split())
_AR_OWN = frozenset("اسمي أدعى".split())
_AR_KIN = frozenset(
    "جارتي جاري مديري مديرتي صديقي صديقتي زميلي زميلتي أخي أختي ابني ابنتي زوجي زوجتي والدي والدتي أبي أمي رئيسي رئيستي حبيبي حبيبتي عمي عمتي خالي خالتي طبيبي طبيبتي أستاذي أستاذتي معلمي معلمتي خطيبي خطيبتي جدي جدتي شريكي موظفي".split()
)
_AR_TOWARDS = frozenset(
    "مع قال قالت سألت سألني أخبرني أخبرتني أخبر يا لي تقرير رسالة ضد زوج ابن أن على".split()
)
_AR_LINKS = frozenset("بن بنت ابن أبو ابو بو أبي آل عبد بني أم".split())


def _arabic(text: str) -> Iterator[Span]:
    given = _ar_names()
    words = [
        (match.start(), match.end(), _AR_MARKS.sub("", match.group())) for match in _AR_WORD.finditer(text)
    ]
    ordinary = _ordinary("ar")
    at = 0
    while at < len(words):
        before = (
            words[at - 1][2] if at and not text[words[at - 1][1] : words[at][0]].strip(" \t:،,\n") else ""
        )
        start, _, word = words[at]
        led = 1 if word[0] in "ولبف" and len(word) > 3 and word not in given and word[1:] in given else 0
        bare = word[led:]
        opens = (bare in given and not bare.startswith("ال")) or bare in ("عبد", "أبو", "ابو")
        unknown = word not in ordinary and len(word) > 2
        introduced = (
            (before in _AR_TITLES and unknown)
            or (before in _AR_NAMED and (opens or (before in _AR_OWN and unknown)))
            or (before in _AR_KIN and (opens or (unknown and not word.startswith(("ال", "ي", "ت")))))
        )
        if not opens and not introduced:
            at += 1
            continue
        last = at
        while last + 1 < len(words) and last < at + 4 and text[words[last][1] : words[last + 1][0]] == " ":
            following = words[last + 1][2]
            linked = words[last][2] in _AR_LINKS
            surname = following in _ar_surnames() or (
                following.startswith("ال") and following not in ordinary
            )
            titled = introduced and last == at and following not in ordinary and following.startswith("ال")
            if not (linked or following in given or following in _AR_LINKS or surname or titled):
                break
            last += 1
        if last > at or introduced or (before in _AR_TOWARDS and not led and bare not in ordinary):
            yield start + led, words[last][1]
        at = last + 1


@cache
def _ar_names() -> frozenset[str]:
    listed = frozenset().union(
        *(country_names(f"ar_{country}", "first_name") for country in ("AA", "DZ", "PS", "SA"))
    )
    parts = frozenset(_AR_MARKS.sub("", part) for name in listed for part in name.split())
    names = parts | frozenset(
        "محمد أحمد احمد علي حسن حسين خالد يوسف إبراهيم ابراهيم عمر عثمان مصطفى محمود طارق سامي سعيد كريم ياسر فاطمة مريم عائشة خديجة زينب ليلى سارة نورة نور هدى منى سلمى هند رنا دينا ريم أمل سعاد نادية وليد فيصل سلطان ناصر سالم جاسم راشد حمد عبدالله عبدالرحمن فهد بندر تركي ماجد زياد أنس بلال حمزة هشام رشيد منصور الياس إلياس".split()
    )
    return frozenset(name for name in names if len(name) > 2) - frozenset(
        "الله من على في حين الدين كل بعد قبل هل".split()
    )


@cache
def _ar_surnames() -> frozenset[str]:
    listed = frozenset().union(
        *(country_names(f"ar_{country}", "last_name") for country in ("AA", "DZ", "PS", "SA"))
    )
    return frozenset(_AR_MARKS.sub("", part) for name in listed for part in name.split() if len(part) > 3)


KINDS = (
    Kind("name", r"[\u4e00-\u9fff]{2}", _chinese),
    Kind(
        "name",
        r"[\u4e00-\u9fff\u30a1-\u30fa].*[\u3041-\u3096]|[\u3041-\u3096].*[\u4e00-\u9fff\u30a1-\u30fa]|[\u4e00-\u9fff]{3}",
        _japanese,
    ),
    Kind("name", r"[가-힣]{3}", _korean),
    Kind("name", r"[\u0e01-\u0e4e]{4}", _thai),
    Kind("name", r"[\u0621-\u064a]{3}", _arabic),
)
"""Ways to find a name, one a script."""
